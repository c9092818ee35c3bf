import { z } from "zod";
import type { AppConfig } from "../config/schema.ts";
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
