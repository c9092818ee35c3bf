import type { DirectoryConfig } from "../../config/directory.ts";
import { fullMatch, type Pattern } from "../../config/patterns.ts";
import type { AppConfig } from "../../config/schema.ts";
import type { Database } from "../../db/database.ts";
import { isDistinct } from "../../db/names.ts";
import type { GroupRules } from "../../db/queries/directory-groups.ts";
import { type SyncOutcome, syncDirectoryUser } from "../../db/queries/directory-users.ts";
import type { UserRow } from "../../db/tables.ts";
import type { Log } from "../../observability/log.ts";
import type { DirectoryAccount } from "./directory.ts";

/** What the database holds at most of a name or an address, in characters. */
const MAX_LENGTH = 100;

/** Makes the database say of a user what the directory says; `known` is the row that its name has had until now. */
export type DirectorySync = (account: DirectoryAccount, known: UserRow | undefined) => Promise<SyncOutcome>;

/** The sync by the rules of this installation; it logs what it leaves out. */
export function createSync(
  db: Database,
  { domain, sync_groups: mode, admin_from_directory }: DirectoryConfig,
  app: AppConfig,
  log: Log,
): DirectorySync {
  const groupPattern = fullMatch(app.group_regex);
  const emailPattern = fullMatch(app.email_regex);
  const isName = (name: string, pattern: Pattern): boolean => name.length <= MAX_LENGTH && pattern.test(name);
  const rules: GroupRules = {
    mode,
    adminGroup: app.admin_group,
    adminFromDirectory: admin_from_directory,
    accepts: (group) => isDistinct(group) && isName(group, groupPattern),
  };
  return async ({ username, mail, groups }, known) => {
    const usable = mail !== undefined && isName(mail, emailPattern);
    if (mail !== undefined && !usable)
      log.warn({ username }, "the directory's mail is left out: email_regex refuses it");
    const synced = await syncDirectoryUser(
      db,
      { username, email: usable ? mail : generatedEmail(username, domain), groups },
      known,
      rules,
    );
    if (synced.outcome === "synced" && synced.leftOut.length > 0)
      log.warn(
        { username, groups: synced.leftOut },
        "directory groups are left out: group_regex refuses their names, or they end with a space",
      );
    if (synced.outcome === "email taken") {
      log.warn({ username, mail }, "a directory user cannot log in: its mail is another account's email");
    } else if (synced.outcome === "synced" && synced.emailKept) {
      log.warn({ username, mail }, "a directory user keeps the old email: the new one is another account's");
    }
    return synced;
  };
}

function generatedEmail(username: string, domain: string): string {
  return `${`generated_${username}`.slice(0, MAX_LENGTH - domain.length - 1)}@${domain}`;
}
