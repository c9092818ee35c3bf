import { z } from "zod";
import type { AppConfig } from "../config/schema.ts";
import type { Reader } from "../db/database.ts";
import { findUser, findUserByEmail } from "../db/queries/users.ts";
import { email, together, username } from "./fields.ts";

/** A request about an account that is identified by either its name or its address. */
export function usernameOrEmail(app: AppConfig) {
  return z
    .object({ username: username(app).optional(), email: email(app).optional() })
    .refine((given) => (given.username === undefined) !== (given.email === undefined), {
      path: ["username"],
      error: "give username or email, one of them",
      ...together,
    })
    .meta({ oneOf: [{ required: ["username"] }, { required: ["email"] }] });
}

/** The username that such a request means, if an account has it, and what was typed. */
export async function findAddressee(
  db: Reader,
  given: { readonly username?: string | undefined; readonly email?: string | undefined },
): Promise<{ readonly found: string | undefined; readonly typed: string }> {
  const typed = given.username ?? given.email ?? "";
  const user = await (given.username === undefined ? findUserByEmail(db, typed) : findUser(db, typed));
  return { found: user?.username, typed };
}
