import { foldName } from "../db/names.ts";
import type { Known, KnownAccount } from "../db/queries/import-known.ts";
import type { AuthType } from "../db/tables.ts";
import type { AccountChanges } from "./change.ts";

/** A user as another system describes it. An account that is there keeps what nothing is said of. */
export interface ImportedUser {
  readonly username: string;
  readonly email: string;
  /** A new account is LOCAL where nothing is said. */
  readonly auth_type: AuthType | undefined;
  /** A new account is activated where nothing is said. */
  readonly activated: boolean | undefined;
  /** A new account has none where nothing is said; only of LOCAL users. */
  readonly password_hash: Uint8Array | undefined;
  readonly groups: readonly string[];
  /** Of a new account; now where nothing is said. */
  readonly created_at: Date | undefined;
  /** When the address was proven; of a new account, where nothing is said it is not. */
  readonly email_verified_at: Date | undefined;
}

/** What is done with users and groups that are there, or are not. */
export interface ImportRules {
  /** An account that is there with other content: left alone, changed, or refused. */
  readonly onConflict: "skip" | "update" | "fail";
  readonly createGroups: boolean;
  readonly adminGroup: string;
  /** Whether an administrator that is there may get another password or address, or be turned on. */
  readonly allowAdmins: boolean;
}

/** Why a user was not taken; `detail` names groups or columns. */
export interface ImportRefusal {
  readonly outcome: "refused";
  readonly reason:
    | "differs"
    | "email taken"
    | "no such group"
    | "source differs"
    | "administrator"
    | "last admin";
  readonly detail: readonly string[];
}

/** What became of a user. */
export type ImportVerdict =
  | { readonly outcome: "created" | "updated" | "unchanged" | "skipped" }
  | ImportRefusal;

/** What is to be done with a user, or what became of it without that. */
export type Plan =
  | { readonly do: "create" }
  | { readonly do: "update"; readonly account: KnownAccount; readonly changes: Changes }
  | { readonly verdict: ImportVerdict };

/** What would have to be written so that an account is as is said. */
export interface Changes {
  readonly fields: AccountChanges;
  readonly groups: readonly string[];
}

/** Decides what becomes of a user. */
export function planFor(user: ImportedUser, known: Known, rules: ImportRules): Plan {
  const account = known.accounts.get(foldName(user.username));
  const owner = known.owners.get(foldName(user.email));
  const conflict = (reason: ImportRefusal["reason"], detail: readonly string[] = []): Plan => ({
    verdict: rules.onConflict === "skip" ? { outcome: "skipped" } : refused(reason, detail),
  });
  if (owner !== undefined && foldName(owner) !== foldName(user.username)) return conflict("email taken");
  if (account !== undefined && account.auth_type !== (user.auth_type ?? account.auth_type))
    return conflict("source differs");
  const changes = changesOf(user, account);
  const changed = [...Object.keys(changes.fields), ...(changes.groups.length > 0 ? ["groups"] : [])];
  if (account !== undefined && changed.length === 0) return { verdict: { outcome: "unchanged" } };
  if (account !== undefined && rules.onConflict !== "update") return conflict("differs", changed);
  if (account?.groups.has(rules.adminGroup) === true && !rules.allowAdmins && letsIn(changes))
    return { verdict: refused("administrator", changed) };
  const missing = changes.groups.filter((name) => !known.groups.has(name));
  if (missing.length > 0 && !rules.createGroups) return { verdict: refused("no such group", missing) };
  return account === undefined ? { do: "create" } : { do: "update", account, changes };
}

/** Whether somebody else may get into the account by these changes: an address is where a new password is sent to. */
function letsIn({ fields: { password_hash: hash, email, activated } }: Changes): boolean {
  return hash !== undefined || email !== undefined || activated === true;
}

/** The verdict on a user that is not taken. */
export function refused(reason: ImportRefusal["reason"], detail: readonly string[] = []): ImportRefusal {
  return { outcome: "refused", reason, detail };
}

function changesOf(user: ImportedUser, account: KnownAccount | undefined): Changes {
  if (account === undefined) return { fields: {}, groups: user.groups };
  const { password_hash, email, activated } = user;
  const isOtherHash =
    password_hash !== undefined &&
    (account.password_hash === null || !Buffer.from(account.password_hash).equals(password_hash));
  return {
    fields: {
      ...(isOtherHash ? { password_hash } : {}),
      ...(email === account.email ? {} : { email }),
      ...(activated === undefined || activated === (account.activated === 1) ? {} : { activated }),
    },
    groups: user.groups.filter((name) => !account.groups.has(name)),
  };
}

/** The groups that the plans need and that are not there, in the order in which everybody makes and locks groups. */
export function missingGroups(plans: ReadonlyMap<ImportedUser, Plan>, known: Known): string[] {
  const names = [...plans].flatMap(([user, plan]) => {
    if ("verdict" in plan) return [];
    return plan.do === "create" ? user.groups : plan.changes.groups;
  });
  return [...new Set(names)].filter((name) => !known.groups.has(name)).sort();
}
