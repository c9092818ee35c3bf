import type { AppConfig } from "../../config/schema.ts";
import { email, together, username } from "../fields.ts";

interface Given {
  readonly username?: unknown;
  readonly email?: unknown;
}

/** The fields of a request about an account that either its name or its address identifies. */
export function addressee(app: AppConfig) {
  return { username: username(app).optional(), email: email(app).optional() };
}

/** The rule of such a request: one of both fields, and the fault where that is not so. */
export const isOneAddressee = {
  check: (given: Given): boolean => (given.username === undefined) !== (given.email === undefined),
  fault: { path: ["username"], error: "give username or email, one of them", ...together },
};
