import { z } from "zod";
import { readSpelling } from "../../auth/password/spellings.ts";
import type { AppConfig } from "../../config/schema.ts";
import { MAX_HASH_COST } from "../../config/sections/app.ts";
import type { ImportedUser } from "../../accounts/import-plan.ts";
import { toPrintable } from "../../observability/printable.ts";
import { anyName, authType, email, groupname, username } from "../../procedures/fields.ts";
import { REFUSED } from "./format.ts";

/** Clocks may differ by so many milliseconds; a token counts as its account's only if it is not older. */
const LEEWAY = 30_000;

/** What a worker makes for a directory user without a mail of its own, whatever email_regex says of the domain. */
const GENERATED = anyName().regex(/^generated_[^\s@]+@[^\s@]+$/);

const NO_HASH =
  "must be a hash of bcrypt ($2a$, $2b$, $2y$) or argon2id ($argon2id$v=19$...), well-formed, and no dearer than " +
  `cost ${MAX_HASH_COST.bcrypt_cost}, or m=${MAX_HASH_COST.argon2_memory_kib}, t=${MAX_HASH_COST.argon2_passes}`;

/** As people and databases write what is true: MySQL has 1 and 0, PostgreSQL t and f. */
const FLAGS: ReadonlyMap<unknown, boolean> = new Map<unknown, boolean>([
  ...([true, 1, "1", "true", "t"] as const).map((text) => [text, true] as const),
  ...([false, 0, "0", "false", "f"] as const).map((text) => [text, false] as const),
]);

/** MySQL's DATETIME, which has no zone: UTC. */
const SQL_TIME = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,6})?)$/;

/** What a line says of a user, or what is wrong with it in one text that repeats nothing secret. */
export type ReadRecord = (value: Readonly<Record<string, unknown>>) => ImportedUser | string;

/** Reads lines by the rules of an installation. */
export function recordReader(app: AppConfig, { allowAdmins }: { allowAdmins: boolean }): ReadRecord {
  const schemaWith = (address: z.ZodType<string>) =>
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
          error: "must be left out: the password of such a user is checked elsewhere",
        },
      )
      .refine((user) => allowAdmins || !user.groups.includes(app.admin_group), {
        path: ["groups"],
        error: `make an administrator (${app.admin_group}): allow that with --allow-admins`,
      });
  const usual = schemaWith(email(app));
  const ofDirectory = schemaWith(z.union([email(app), GENERATED], `must match ${app.email_regex}`));
  return (value) => {
    const schema = value["auth_type"] === "LDAP" ? ofDirectory : usual;
    const { data, error } = schema.safeParse(value);
    if (error !== undefined) return error.issues.map((issue) => describe(issue, value)).join("; ");
    const { password_hash, created_at, groups } = data;
    return {
      username: data.username,
      email: data.email,
      // Of all users only local ones have a hash.
      auth_type: data.auth_type ?? (password_hash === undefined ? undefined : "LOCAL"),
      activated: data.activated,
      password_hash: password_hash === undefined ? undefined : Buffer.from(password_hash),
      groups: [...new Set(groups)],
      created_at,
      email_verified_at: data.email_verified_at,
    };
  };
}

/** A boolean in any of its spellings. */
function flag(): z.ZodType<boolean> {
  return z.unknown().transform((value, context) => {
    const meant = FLAGS.get(typeof value === "string" ? value.toLowerCase() : value);
    if (meant !== undefined) return meant;
    context.addIssue("must be true or false");
    return z.NEVER;
  });
}

/** A hash in any spelling; the outcome is the one that is stored. */
function passwordHash(): z.ZodType<string> {
  return z.string("must be a string").transform((text, context) => {
    const spelling = readSpelling(text);
    if ("hash" in spelling) return spelling.hash;
    context.addIssue(spelling.kind === undefined ? NO_HASH : `${NO_HASH}; this one is ${spelling.kind}`);
    return z.NEVER;
  });
}

/** A time with a zone, or as MySQL writes it, in UTC; from 1970 until now. */
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
  if (issue.keys.includes("password")) return "password is not taken: hash it first, and give password_hash";
  const names = issue.keys.map((key) => JSON.stringify(key.slice(0, 50)));
  return `unknown field ${toPrintable(names.join(", "))}`;
}
