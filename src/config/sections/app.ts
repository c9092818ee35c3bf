import { z } from "zod";
import { DEFAULT_PATTERNS } from "../patterns.ts";
import { filePath } from "./common.ts";

const minutes = z.number().positive().max(525_600).meta({ title: "minutes" });

const pattern = z.string().meta({ title: "pattern" });

/** As dear as a hash may be, configured or stored: whoever can write a dearer one could keep the workers busy for days. */
export const MAX_HASH_COST = { bcrypt_cost: 16, argon2_memory_kib: 262_144, argon2_passes: 16 };

const loginThrottle = z.strictObject({
  free_failures: z
    .int()
    .min(1)
    .default(10)
    .describe("failed logins of one account from one source before the next one has to wait"),
  free_failures_per_account: z
    .int()
    .min(1)
    .default(90)
    .describe("the same from all sources together, for sources from which the account has never logged in"),
  max_failures: z
    .int()
    .min(1)
    .default(100)
    .describe("from so many on, such a source waits until failures are forgotten"),
  max_delay_seconds: z
    .int()
    .min(1)
    .max(86_400)
    .default(3600)
    .describe("longest wait after a failure; the first is 1 s, and each is twice the one before"),
  forget_minutes: minutes.default(1440).describe("how old the last failure must be for all to be forgotten"),
});

/** Rules for accounts, names and tokens, as the file has them. */
export const appConfig = z.strictObject({
  id_token_valid_time: minutes.default(1440).describe("how long an ID token is valid"),
  access_token_valid_time: minutes
    .default(5)
    .describe("how long an access token is valid; it cannot be revoked, so keep it short"),
  password_reset_valid_time: minutes.default(30).describe("how long a token for a new password is valid"),
  email_verification_valid_time: minutes
    .default(1440)
    .describe("how long a token that verifies an email address is valid"),
  verification_activates: z
    .boolean()
    .default(false)
    .describe("whether a verified address activates the account that was registered with it"),
  allow_registration: z.boolean().default(false).describe("whether anyone may register (`user_register`)"),
  auto_activate_accounts: z
    .boolean()
    .default(true)
    .describe("whether a registered account is active at once"),
  admin_group: z.string().min(1).max(100).default("admin").describe("its members are administrators"),
  default_vhost: z.string().min(1).max(100).default("prod").describe("the vhost of a login that names none"),
  vhosts: z
    .array(z.string().min(1).max(100))
    .min(1)
    .optional()
    .describe("given, no other vhost is accepted; without it, any is"),
  group_regex: pattern.default(DEFAULT_PATTERNS.group).describe("group names"),
  username_regex: pattern.default(DEFAULT_PATTERNS.username).describe("usernames"),
  password_regex: pattern.default(DEFAULT_PATTERNS.password).describe("new passwords"),
  email_regex: pattern
    .default(DEFAULT_PATTERNS.email)
    .describe("email addresses; by default, those with a domain of at least two labels"),
  password_blocklist: filePath
    .optional()
    .describe(
      "file with passwords that nobody may choose, one a line; case and width of letters do not matter; `authmq init` writes one",
    ),
  password_hash: z.enum(["bcrypt", "argon2id"]).default("bcrypt").describe("how new passwords are hashed"),
  bcrypt_cost: z
    .int()
    .min(4)
    .max(MAX_HASH_COST.bcrypt_cost)
    .default(12)
    .describe("cost of bcrypt hashes: 2^cost rounds"),
  argon2_memory_kib: z
    .int()
    .min(8)
    .max(MAX_HASH_COST.argon2_memory_kib)
    .default(19_456)
    .describe("memory of one argon2id hash in KiB; two or more are made at once"),
  argon2_passes: z
    .int()
    .min(1)
    .max(MAX_HASH_COST.argon2_passes)
    .default(2)
    .describe("how often argon2id passes over it"),
  login_throttle: loginThrottle.prefault({}).describe("when failed logins have to wait"),
  anonymous_user_get: z
    .boolean()
    .default(true)
    .describe("whether `user_get` answers without a token; `authmq init` writes false"),
});

/** When failed logins have to wait. */
export type LoginThrottle = z.output<typeof loginThrottle>;
