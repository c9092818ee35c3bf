import type { AppConfig } from "../../config/schema.ts";
import type { OldUser } from "../../db/queries/py-auth-micro.ts";
import { groupname } from "../../procedures/fields.ts";
import type { ImportRefusal, ImportedUser } from "../../accounts/import-plan.ts";
import { recordReader } from "../users/record.ts";

/** Reads a user of py_auth_micro with its groups here; or returns why it cannot be imported. */
export type ReadOldUser = (user: OldUser, groups: readonly string[]) => ImportedUser | string;

/** Reads users of py_auth_micro by the rules of this installation. */
export function oldUserReader(app: AppConfig): ReadOldUser {
  const read = recordReader(app, { allowAdmins: true });
  return ({ username, email, auth_type, activated, password_hash: hash, created_at }, groups) =>
    read({
      username,
      ...(email === null ? {} : { email }),
      auth_type,
      activated,
      // A directory checks the password of other users, so that a hash has no effect there either.
      ...(hash === null || auth_type !== "LOCAL"
        ? {}
        : { password_hash: Buffer.from(hash).toString("latin1") }),
      groups,
      ...(isPast(created_at) ? { created_at } : {}),
    });
}

/** The name of a group here; or why it cannot be imported. */
export function groupReader(app: AppConfig): (name: string) => { here: string } | { error: string } {
  const schema = groupname(app);
  return (name) => {
    const { data, error } = schema.safeParse(name);
    return error === undefined
      ? { here: data }
      : { error: error.issues.map(({ message }) => message).join("; ") };
  };
}

/** Why a user of py_auth_micro was not imported, in one sentence. */
export function describeRefusal({ reason, detail }: ImportRefusal): string {
  switch (reason) {
    case "differs":
      return `an account with this name exists here, and differs in ${detail.join(", ")}`;
    case "source differs":
      return "an account with this name exists here with a different auth_type";
    case "email taken":
      return "the email address belongs to another account here";
    case "no such group":
      return `the group ${detail.join(", ")} was deleted here during the import: run the same command again`;
    case "administrator":
    case "last admin":
      return "the account here is an administrator";
  }
}

/** An account needs a plausible time: tokens must be newer than their account. */
function isPast(time: string): boolean {
  const at = Date.parse(`${time.replace(" ", "T")}Z`);
  return at > 0 && at < Date.now() - 1000;
}
