import type { DirectoryConfig } from "../../config/directory.ts";
import { fullMatch, type Pattern } from "../../config/patterns.ts";
import type { AppConfig } from "../../config/schema.ts";
import type { Database } from "../../db/database.ts";
import { isDistinct } from "../../db/names.ts";
import type { GroupRules } from "../../accounts/directory-groups.ts";
import {
  type DirectoryUser,
  type SyncOutcome,
  syncAtLogin,
  syncSession,
} from "../../accounts/sync-directory-user.ts";
import type { Log } from "../../observability/log.ts";
import type { DirectoryAccount } from "./directory.ts";

/** The maximum length of a name or address in the database, in characters. */
const MAX_LENGTH = 100;

/** Updates accounts from the directory; logs what it ignores. */
export interface DirectorySync {
  /** Updates or creates the account after a successful bind. */
  login(account: DirectoryAccount): Promise<SyncOutcome>;
  /** Updates the account of a session. */
  session(account: DirectoryAccount, username: string): Promise<SyncOutcome>;
}

/** Creates the sync with the configured rules. */
export function createSync(
  db: Database,
  { domain, sync_groups: mode, admin_from_directory }: DirectoryConfig,
  app: AppConfig,
  log: Log,
): DirectorySync {
  const patterns = {
    group: fullMatch(app.group_regex),
    email: fullMatch(app.email_regex),
    username: fullMatch(app.username_regex),
  };
  const isName = (name: string, pattern: Pattern): boolean => name.length <= MAX_LENGTH && pattern.test(name);
  const rules: GroupRules = {
    mode,
    adminGroup: app.admin_group,
    adminFromDirectory: admin_from_directory,
    accepts: (group) => isDistinct(group) && isName(group, patterns.group),
  };
  const noteMissingId = once(() =>
    log.warn("the directory returns no entry ids: a reused login name cannot be detected"),
  );
  const userOf = ({ name, names, ids, mails, groups }: DirectoryAccount): DirectoryUser => {
    if (ids.length === 0) noteMissingId();
    const mail = mails.find((one) => isName(one, patterns.email));
    if (mail === undefined && mails.length > 0)
      log.warn({ username: name }, "the directory's email was ignored: email_regex does not match it");
    // The requested name comes last: the directory's spelling of it need not match username_regex.
    const usable = [...names.filter((one) => isName(one, patterns.username)), name];
    return {
      name,
      names: usable,
      ids,
      groups,
      emailOf: (username) => mail ?? generatedEmail(username, domain),
    };
  };
  const note = (user: DirectoryUser, synced: SyncOutcome): SyncOutcome => {
    if (synced.outcome !== "synced") return synced;
    const { username, email } = synced.user;
    if (synced.leftOut.length > 0)
      log.warn(
        { username, groups: synced.leftOut },
        "directory groups were ignored: group_regex does not match their names, or they end with a space",
      );
    if (email === null)
      log.warn(
        { username, mail: user.emailOf(username) },
        "a directory user has no email: another account uses it",
      );
    return synced;
  };
  return {
    async login(account) {
      const user = userOf(account);
      return note(user, await syncAtLogin(db, user, rules));
    },
    async session(account, username) {
      const user = userOf(account);
      return note(user, await syncSession(db, user, username, rules));
    },
  };
}

/** Runs `work` only at the first call. */
function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}

function generatedEmail(username: string, domain: string): string {
  return `${`generated_${username}`.slice(0, MAX_LENGTH - domain.length - 1)}@${domain}`;
}
