import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { newFolder } from "../support/cli.ts";

type Raw = Record<string, Record<string, unknown>>;

/** A configuration of a worker. */
export interface Variant {
  readonly name: VariantName;
  readonly config: Raw;
  /** The key of another issuer whose access tokens are accepted, if there is one. */
  readonly partner: KeyObject | undefined;
}

/** The name of a variant. */
export type VariantName = "strict" | "open";

/** The name of the other issuer. */
export const PARTNER = "partner";

/** Patterns that match everything, so that later steps must handle such values. */
const ANYTHING = "[\\s\\S]{0,100}";

/** A batch has few logins per account: throttle after the first failures. */
const SOON = { free_failures: 1, free_failures_per_account: 3, max_failures: 6 };

const NEVER = { free_failures: 1_000_000, free_failures_per_account: 1_000_000, max_failures: 1_000_000 };

/**
 * strict: the defaults, except that registration is open, the throttle is off, and second factors are optional. open: patterns that match everything,
 * an early throttle, argon2id, a second issuer, an audience, vhosts, and a renamed queue.
 */
export function makeVariant(name: VariantName): Variant {
  const common = { bcrypt_cost: 4, allow_registration: true, password_blocklist: blocklist() };
  if (name === "strict")
    return {
      name,
      config: {
        app_config: {
          ...{ ...common, login_throttle: NEVER, second_factor: "optional" },
          passkeys: { rp_id: "example.com", rp_name: "Example", origins: ["https://login.example.com"] },
        },
        encryption_keys: { active: { type: "base64key", value: randomBytes(32).toString("base64") } },
        log_settings: { level: "trace" },
      },
      partner: undefined,
    };
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();
  const partner = { name: PARTNER, secret: { type: "plain", value: pem }, methods: ["ES256"] };
  return {
    name,
    config: {
      app_config: {
        ...common,
        ...{
          username_regex: ANYTHING,
          group_regex: ANYTHING,
          email_regex: ANYTHING,
          password_regex: "[\\s\\S]*",
        },
        login_throttle: SOON,
        ...{ password_hash: "argon2id", argon2_memory_kib: 64, argon2_passes: 1 },
        ...{ vhosts: ["prod", "dev"], anonymous_user_get: false, auto_activate_accounts: false },
      },
      jwt_creation: { audience: "services" },
      // A list replaces the section.
      jwt_validation: [partner] as unknown as Record<string, unknown>,
      queue_settings: { user_workflow_get_user: "who is ünknown?" },
      log_settings: { level: "trace" },
    },
    partner: privateKey,
  };
}

function blocklist(): string {
  const file = join(newFolder(), "blocklist.txt");
  writeFileSync(file, "password\nwrong horse battery\n123456\n");
  return file;
}
