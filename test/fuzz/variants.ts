import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { newFolder } from "../support/cli.ts";

type Raw = Record<string, Record<string, unknown>>;

/** One way to set a worker up. */
export interface Variant {
  readonly name: VariantName;
  readonly config: Raw;
  /** Signs for another issuer whose access tokens are accepted here, where there is one. */
  readonly partner: KeyObject | undefined;
}

/** What a variant is called. */
export type VariantName = "strict" | "open";

/** The other issuer. */
export const PARTNER = "partner";

/** Everything fits: what the patterns let through as a rule has to be borne by the rest. */
const ANYTHING = "[\\s\\S]{0,100}";

/** A batch brings few logins of one account: after the first failures it has to wait. */
const SOON = { free_failures: 1, free_failures_per_account: 3, max_failures: 6 };

const NEVER = { free_failures: 1_000_000, free_failures_per_account: 1_000_000, max_failures: 1_000_000 };

/**
 * strict: the defaults, but that registration is open and that no failed login has to wait. open: patterns that refuse
 * nothing, logins that soon have to wait, argon2id, a second issuer, an audience, vhosts, a queue with another name.
 */
export function makeVariant(name: VariantName): Variant {
  const common = { bcrypt_cost: 4, allow_registration: true, password_blocklist: blocklist() };
  if (name === "strict")
    return {
      name,
      config: {
        app_config: { ...common, login_throttle: NEVER },
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
      // A list, which replaces the section.
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
