import { z } from "zod";
import type { AppConfig } from "../config/schema.ts";
import type { Reader } from "../db/database.ts";
import { findUser, findUserByEmail } from "../db/queries/users.ts";
import { alwaysChecked, email, username } from "./fields.ts";

/** A request that identifies an account by username or email, but not by both. */
export function usernameOrEmail(app: AppConfig) {
  return z
    .object({ username: username(app).optional(), email: email(app).optional() })
    .refine((given) => (given.username === undefined) !== (given.email === undefined), {
      path: ["username"],
      error: "give either username or email",
      ...alwaysChecked,
    })
    .meta({ oneOf: [{ required: ["username"] }, { required: ["email"] }] });
}

/** The stored username of the requested account, undefined if there is none; and the text in the request. */
export async function findAddressee(
  db: Reader,
  given: { readonly username?: string | undefined; readonly email?: string | undefined },
): Promise<{ readonly found: string | undefined; readonly typed: string }> {
  const typed = given.username ?? given.email ?? "";
  const user = await (given.username === undefined ? findUserByEmail(db, typed) : findUser(db, typed));
  return { found: user?.username, typed };
}
