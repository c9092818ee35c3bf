import { z } from "zod";
import { isKnownHash } from "../../auth/password.ts";
import type { AppConfig } from "../../config/schema.ts";
import { DEAREST } from "../../config/sections/app.ts";
import type { ImportedUser } from "../../db/queries/import-plan.ts";
import { toPrintable } from "../../observability/printable.ts";
import { anyName, authType, email, groupname, username } from "../../procedures/fields.ts";
import { REFUSED } from "./format.ts";

/** Clocks may differ by so many milliseconds; a token counts as its account's only if it is not older. */
const LEEWAY = 30_000;

/** What a worker makes for a directory user without a mail of its own, whatever email_regex says of the domain. */
const GENERATED = anyName().regex(/^generated_[^\s@]+@[^\s@]+$/);

const NO_HASH =
  "must be a hash of bcrypt ($2a$, $2b$, $2y$) or argon2id ($argon2id$v=19$...), well-formed, and no dearer than " +
  `cost ${DEAREST.bcrypt_cost}, or m=${DEAREST.argon2_memory_kib}, t=${DEAREST.argon2_passes}`;

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
        activated: z.boolean("must be true or false").optional(),
        password_hash: z.string("must be a string").refine(isKnownHash, NO_HASH).optional(),
        groups: z.array(groupname(app), "must be a list").default([]),
        created_at: z.iso
          .datetime({ offset: true, error: "must be a time like 2026-01-31T23:59:59Z" })
          .transform((text) => new Date(text))
          .refine((time) => time.getTime() >= 0, "must not be before 1970")
          .refine((time) => time.getTime() <= Date.now() + LEEWAY, "must not be in the future")
          .optional(),
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
    };
  };
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
