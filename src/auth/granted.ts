import type { Lookups } from "../db/lookups.ts";
import type { KeyedAccountRow } from "../db/queries/api-keys.ts";
import { isSameAccount } from "../db/names.ts";
import type { AccountRow } from "../db/queries/accounts.ts";
import type { Grant } from "../db/queries/granted.ts";

/** An access token of this installation. */
export interface GrantedToken {
  readonly username: string;
  readonly groups: readonly string[];
  readonly isLimited: boolean;
  readonly grant: Grant;
}

/** What the database says about an access token's session or API key, and about its account. */
export type Granted =
  | {
      readonly state: "alive";
      readonly username: string;
      readonly groups: readonly string[];
      /** Undefined for an API key. */
      readonly account: AccountRow | undefined;
    }
  | { readonly state: "deactivated" | "ended" };

/**
 * The account behind an access token of this installation, with its groups as they are now: only those of the API key,
 * and only those that the token was limited to.
 */
export async function findGranted(lookups: Lookups, token: GrantedToken): Promise<Granted> {
  const { grant } = token;
  const account = "sid" in grant ? await lookups.sessionHolder(grant.sid) : undefined;
  const found = "apiKeyId" in grant ? await apiKey(lookups, grant.apiKeyId) : account;
  if (found === undefined || !isSameAccount(found.username, token.username)) return { state: "ended" };
  if (found.activated !== 1) return { state: "deactivated" };
  const { username, groups } = found;
  const limit = new Set(token.groups);
  return {
    state: "alive",
    username,
    account,
    groups: token.isLimited ? groups.filter((name) => limit.has(name)) : groups,
  };
}

type Found = Pick<AccountRow, "username" | "activated" | "groups">;

async function apiKey(lookups: Lookups, id: bigint): Promise<Found | undefined> {
  const row = await lookups.apiKey(id);
  return row === undefined || isExpiredKey(row)
    ? undefined
    : { ...row, activated: Number(row.activated), groups: groupsOfKey(row) };
}

/** Whether an API key has expired. */
export function isExpiredKey({ expires_at }: Pick<KeyedAccountRow, "expires_at">): boolean {
  return expires_at !== null && expires_at.getTime() <= Date.now();
}

/** The groups of an API key: those of its account, or only the ones that were given when it was created. */
export function groupsOfKey({
  groups,
  accountGroups,
}: Pick<KeyedAccountRow, "groups" | "accountGroups">): readonly string[] {
  if (groups === null) return accountGroups;
  const allowed = new Set(groups);
  return accountGroups.filter((name) => allowed.has(name));
}
