import { z } from "zod";
import { DEFAULT_PATTERNS } from "../patterns.ts";
import { filePath } from "./common.ts";

const minutes = z.number().positive().max(525_600).meta({ title: "minutes" });

const pattern = z.string().meta({ title: "pattern" });

/** The highest accepted cost of a configured or stored hash; a costlier stored hash could block workers for days. */
export const MAX_HASH_COST = { bcrypt_cost: 16, argon2_memory_kib: 262_144, argon2_passes: 16 };

const loginThrottle = z.strictObject({
  free_failures: z
    .int()
    .min(1)
    .default(10)
    .describe(
      "lockout threshold: failed logins of an account from one client before its logins are rate limited",
    ),
  free_failures_per_account: z
    .int()
    .min(1)
    .default(90)
    .describe(
      "the same threshold for all clients together; clients from which the account has logged in within 30 " +
        "days are exempt",
    ),
  max_failures: z
    .int()
    .min(1)
    .default(100)
    .describe(
      "failed logins of an account from all clients together; after these, clients that are not exempt get 429 " +
        "until the failures are forgotten",
    ),
  max_delay_seconds: z
    .int()
    .min(1)
    .max(86_400)
    .default(3600)
    .describe("maximum delay after a failed login; the delay starts at 1 s and doubles with each failure"),
  forget_minutes: minutes
    .default(1440)
    .describe("time after its last failed login when a client's failures are forgotten"),
});

const passkeys = z.strictObject({
  rp_id: z
    .string()
    .min(1)
    .max(253)
    .describe(
      "domain that passkeys are bound to, for example `example.com`; a change makes all passkeys useless",
    ),
  rp_name: z.string().min(1).max(100).describe("name of the service, as browsers show it"),
  origins: z
    .array(z.string().min(1))
    .min(1)
    .describe("origins of the login pages, for example `https://login.example.com`"),
});

/** `app_config`: rules for accounts, names and tokens. */
export const appConfig = z.strictObject({
  id_token_valid_time: minutes.default(1440).describe("lifetime of an ID token"),
  sessions_per_user: z
    .int()
    .min(1)
    .max(1000)
    .default(1)
    .describe(
      "sessions (ID tokens) that a user may have at once; one more login ends the least recently used one; " +
        "`authmq init` writes 10",
    ),
  session_renewal_time: z
    .number()
    .min(0)
    .max(5_256_000)
    .default(0)
    .meta({ title: "minutes" })
    .describe(
      "time after the login during which `token` renews the ID token; 0 turns renewal off; `authmq init` writes 43200",
    ),
  access_token_valid_time: minutes
    .default(5)
    .describe(
      "lifetime of an access token; services that verify it themselves do not notice a revocation, so keep it short",
    ),
  password_reset_valid_time: minutes.default(30).describe("lifetime of a password reset token"),
  email_verification_valid_time: minutes.default(1440).describe("lifetime of an email verification token"),
  verification_activates: z
    .boolean()
    .default(false)
    .describe("whether verifying the email address activates a registered account"),
  allow_registration: z
    .boolean()
    .default(false)
    .describe("whether anyone may register an account (`user_register`)"),
  auto_activate_accounts: z
    .boolean()
    .default(true)
    .describe("whether registered accounts are activated immediately"),
  admin_group: z.string().min(1).max(100).default("admin").describe("group whose members are administrators"),
  default_vhost: z
    .string()
    .min(1)
    .max(100)
    .default("prod")
    .describe("vhost of a login that does not name one"),
  vhosts: z
    .array(z.string().min(1).max(100))
    .min(1)
    .optional()
    .describe("allowed vhosts; by default all are allowed"),
  group_regex: pattern.default(DEFAULT_PATTERNS.group).describe("pattern for group names"),
  username_regex: pattern.default(DEFAULT_PATTERNS.username).describe("pattern for usernames"),
  password_regex: pattern.default(DEFAULT_PATTERNS.password).describe("pattern for new passwords"),
  email_regex: pattern
    .default(DEFAULT_PATTERNS.email)
    .describe("pattern for email addresses; by default the domain needs at least two labels"),
  password_blocklist: filePath
    .optional()
    .describe(
      "file with blocked passwords, one per line, compared without case and letter width; `authmq init` writes one",
    ),
  password_hash: z
    .enum(["bcrypt", "argon2id"])
    .default("bcrypt")
    .describe("hash algorithm for new passwords"),
  bcrypt_cost: z
    .int()
    .min(4)
    .max(MAX_HASH_COST.bcrypt_cost)
    .default(12)
    .describe("bcrypt cost: 2^cost rounds"),
  argon2_memory_kib: z
    .int()
    .min(8)
    .max(MAX_HASH_COST.argon2_memory_kib)
    .default(19_456)
    .describe("argon2id memory of one hash in KiB; several hashes run at the same time"),
  argon2_passes: z
    .int()
    .min(1)
    .max(MAX_HASH_COST.argon2_passes)
    .default(2)
    .describe("argon2id passes over the memory (iterations)"),
  login_throttle: loginThrottle.prefault({}).describe("rate limit for failed logins"),
  second_factor: z
    .enum(["off", "optional", "required"])
    .default("off")
    .describe(
      "second factor (TOTP, passkey, recovery code): `off`, for those who enrol one (`optional`), or for everybody; " +
        "accounts of the type `SERVICE` never need one",
    ),
  second_factor_groups: z
    .array(z.string().min(1).max(100))
    .default([])
    .describe("groups whose members need a second factor although it is optional"),
  passkeys: passkeys.optional().describe("relying party of passkeys (WebAuthn); optional"),
  reauthentication_time: z
    .number()
    .min(0)
    .max(525_600)
    .default(0)
    .meta({ title: "minutes" })
    .describe(
      "maximum age of the login for changes to second factors and to the own password or email; 0 means any age; " +
        "`authmq init` writes 15",
    ),
  anonymous_user_get: z
    .boolean()
    .default(true)
    .describe("whether `user_get` works without an access token; `authmq init` writes false"),
});

/** The rate limit for failed logins. */
export type LoginThrottle = z.output<typeof loginThrottle>;
