import type { KeyUse } from "../db/queries/encrypted-secrets.ts";

/** Whose secrets a key encrypts, for operators. */
export function usersOf({ users, hasMoreUsers }: KeyUse): string {
  return `of ${users.join(", ")}${hasMoreUsers ? " and others" : ""}`;
}
