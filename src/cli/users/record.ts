import { z } from "zod";
import { readSpelling } from "../../auth/password/spellings.ts";
import type { AppConfig } from "../../config/schema.ts";
import { MAX_HASH_COST } from "../../config/sections/app.ts";
import type { ImportedUser } from "../../accounts/import-plan.ts";
import { toPrintable } from "../../observability/printable.ts";
import { anyName, authType, email, groupname, username } from "../../procedures/fields.ts";
import { REFUSED } from "./format.ts";

/** Tolerated clock difference in milliseconds. Small, because a token is valid only if it is newer than its account. */
const LEEWAY = 30_000;

/** The address that a worker generates for a directory user without one; `email_regex` need not match its domain. */
const GENERATED = anyName().regex(/^generated_[^\s@]+@[^\s@]+$/);

const NO_HASH =
  "must be a hash of bcrypt ($2a$, $2b$, $2y$) or argon2id ($argon2id$v=19$...), well-formed, and with at most " +
  `cost ${MAX_HASH_COST.bcrypt_cost}, or m=${MAX_HASH_COST.argon2_memory_kib}, t=${MAX_HASH_COST.argon2_passes}`;

/** Spellings of booleans: MySQL exports 1 and 0, PostgreSQL t and f. */
const FLAGS: ReadonlyMap<unknown, boolean> = new Map<unknown, boolean>([
  ...([true, 1, "1", "true", "t"] as const).map((text) => [text, true] as const),
  ...([false, 0, "0", "false", "f"] as const).map((text) => [text, false] as const),
]);

/** MySQL's DATETIME without a time zone, read as UTC. */
const SQL_TIME = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,6})?)$/;

/** Reads a user from the fields of a line, or returns one error text, which contains no secret. */
export type ReadRecord = (value: Readonly<Record<string, unknown>>) => ImportedUser | string;

/** Reads users by the rules of an installation. */
export function recordReader(app: AppConfig, { allowAdmins }: { allowAdmins: boolean }): ReadRecord {
  const schemaWith = (address: z.ZodType<string | undefined>) =>
    z
      .strictObject({
        username: username(app),
        email: address,
        auth_type: authType().optional(),
        activated: flag().optional(),
        password_hash: passwordHash().optional(),
        groups: z.array(groupname(app), "must be a list").default([]),
        created_at: pastTime().optional(),
        email_verified_at: pastTime().optional(),
        [REFUSED]: z.unknown().optional(),
      })
      .refine(
        ({ auth_type = "LOCAL", password_hash }) => auth_type === "LOCAL" || password_hash === undefined,
        {
          path: ["password_hash"],
          error: "must be absent: only LOCAL users have a password here",
        },
      )
      .refine((user) => allowAdmins || !user.groups.includes(app.admin_group), {
        path: ["groups"],
        error: `contains the admin group (${app.admin_group}): add --allow-admins to allow that`,
      });
  const usual = schemaWith(email(app));
  const ofDirectory = schemaWith(
    z.union([email(app), GENERATED], `must match ${app.email_regex}`).optional(),
  );
  const ofService = schemaWith(email(app).optional());
  return (value) => {
    const { auth_type } = value;
    const schema = auth_type === "LDAP" ? ofDirectory : auth_type === "SERVICE" ? ofService : usual;
    const { data, error } = schema.safeParse(value);
    if (error !== undefined) return error.issues.map((issue) => describe(issue, value)).join("; ");
    const { password_hash, created_at, groups } = data;
    return {
      username: data.username,
      email: data.email,
      // Only local users have a hash.
      auth_type: data.auth_type ?? (password_hash === undefined ? undefined : "LOCAL"),
      activated: data.activated,
      password_hash: password_hash === undefined ? undefined : Buffer.from(password_hash),
      groups: [...new Set(groups)],
      created_at,
      email_verified_at: data.email_verified_at,
    };
  };
}

/** A boolean in any spelling of `FLAGS`. */
function flag(): z.ZodType<boolean> {
  return z.unknown().transform((value, context) => {
    const parsed = FLAGS.get(typeof value === "string" ? value.toLowerCase() : value);
    if (parsed !== undefined) return parsed;
    context.addIssue("must be true or false");
    return z.NEVER;
  });
}

/** A hash in any accepted spelling, converted to the stored one. */
function passwordHash(): z.ZodType<string> {
  return z.string("must be a string").transform((text, context) => {
    const spelling = readSpelling(text);
    if ("hash" in spelling) return spelling.hash;
    context.addIssue(spelling.kind === undefined ? NO_HASH : `${NO_HASH}; this one is ${spelling.kind}`);
    return z.NEVER;
  });
}

/** A time between 1970 and now: ISO 8601 with a zone, or MySQL's DATETIME in UTC. */
function pastTime(): z.ZodType<Date> {
  return z
    .string("must be a string")
    .transform((text) => text.replace(SQL_TIME, "$1T$2Z"))
    .pipe(
      z.iso.datetime({
        offset: true,
        error: "must be a time like 2026-01-31T23:59:59Z, or 2026-01-31 23:59:59 in UTC",
      }),
    )
    .transform((text) => new Date(text))
    .refine((time) => time.getTime() >= 0, "must not be before 1970")
    .refine((time) => time.getTime() <= Date.now() + LEEWAY, "must not be in the future");
}

function describe(issue: z.core.$ZodIssue, value: Readonly<Record<string, unknown>>): string {
  if (issue.code !== "unrecognized_keys") {
    const [field = ""] = issue.path;
    const isMissing = issue.code.startsWith("invalid_") && value[String(field)] === undefined;
    return `${issue.path.join(".")} ${isMissing ? "is missing" : issue.message}`;
  }
  if (issue.keys.includes("password")) return "password is not accepted: hash it, and use password_hash";
  const names = issue.keys.map((key) => JSON.stringify(key.slice(0, 50)));
  return `unknown field ${toPrintable(names.join(", "))}`;
}
