import { foldName } from "../db/names.ts";
import type { Known, KnownAccount } from "../db/queries/import-known.ts";
import type { AuthType } from "../db/tables.ts";
import type { AccountChanges } from "./change.ts";

/** A user from another system. An existing account keeps the values that are undefined here. */
export interface ImportedUser {
  readonly username: string;
  /** Required for LOCAL and KERBEROS users. Default of a new account: none. */
  readonly email: string | undefined;
  /** Default of a new account: LOCAL. */
  readonly auth_type: AuthType | undefined;
  /** Default of a new account: true. */
  readonly activated: boolean | undefined;
  /** For LOCAL users only. Default of a new account: none. */
  readonly password_hash: Uint8Array | undefined;
  readonly groups: readonly string[];
  /** Of a new account. Default: now. */
  readonly created_at: Date | undefined;
  /** When the address was verified; of a new account. Default: not verified. */
  readonly email_verified_at: Date | undefined;
}

/** How to treat existing accounts and missing groups. */
export interface ImportRules {
  /** For an existing account that differs: keep it, update it, or reject the user. */
  readonly onConflict: "skip" | "update" | "fail";
  readonly createGroups: boolean;
  readonly adminGroup: string;
  /** Whether the import may change the password or address of an existing administrator, or activate one. */
  readonly allowAdmins: boolean;
}

/** Why a user was rejected; `detail` names groups or columns. */
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

/** The result for a user. */
export type ImportVerdict =
  | { readonly outcome: "created" | "updated" | "unchanged" | "skipped" }
  | ImportRefusal;

/** The planned action for a user, or the result if there is nothing to do. */
export type Plan =
  | { readonly do: "create" }
  | { readonly do: "update"; readonly account: KnownAccount; readonly changes: Changes }
  | { readonly verdict: ImportVerdict };

/** The changes that bring an account to the imported values. */
export interface Changes {
  readonly fields: AccountChanges;
  readonly groups: readonly string[];
}

/** Plans the import of a user. */
export function planFor(user: ImportedUser, known: Known, rules: ImportRules): Plan {
  const account = known.accounts.get(foldName(user.username));
  const owner = user.email === undefined ? undefined : known.owners.get(foldName(user.email));
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
  if (account?.groups.has(rules.adminGroup) === true && !rules.allowAdmins && grantsAccess(changes))
    return { verdict: refused("administrator", changed) };
  const missing = changes.groups.filter((name) => !known.groups.has(name));
  if (missing.length > 0 && !rules.createGroups) return { verdict: refused("no such group", missing) };
  return account === undefined ? { do: "create" } : { do: "update", account, changes };
}

/** Whether these changes could let another person log in: password resets go to the address. */
function grantsAccess({ fields: { password_hash: hash, email, activated } }: Changes): boolean {
  return hash !== undefined || email !== undefined || activated === true;
}

/** The result for a rejected user. */
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
      ...(email === undefined || email === account.email ? {} : { email }),
      ...(activated === undefined || activated === (account.activated === 1) ? {} : { activated }),
    },
    groups: user.groups.filter((name) => !account.groups.has(name)),
  };
}

/** The missing groups that the plans need, sorted: all transactions create and lock groups in this order. */
export function missingGroups(plans: ReadonlyMap<ImportedUser, Plan>, known: Known): string[] {
  const names = [...plans].flatMap(([user, plan]) => {
    if ("verdict" in plan) return [];
    return plan.do === "create" ? user.groups : plan.changes.groups;
  });
  return [...new Set(names)].filter((name) => !known.groups.has(name)).sort();
}
