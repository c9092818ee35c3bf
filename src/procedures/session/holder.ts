import { groupsOfKey } from "../../auth/granted.ts";
import type { Grant } from "../../db/queries/granted.ts";
import type { SessionRow } from "../../db/queries/id-tokens.ts";
import { AppError } from "../../errors.ts";
import type { Context } from "../../rpc/context.ts";

/** The account that gets an access token, and what it presented for it. */
export interface Holder {
  readonly grant: Grant;
  readonly username: string;
  readonly groups: readonly string[];
  readonly vhost: string;
  readonly last_use: Date | null;
  /** When the session or API key ends; undefined if never. */
  readonly validUntil: Date | undefined;
  /** Undefined for an API key. */
  readonly session: SessionRow | undefined;
}

/**
 * The holder of the presented ID token or API key. Checks a directory user in the directory again, if that is due.
 * Throws ACCOUNT_NOT_ACTIVATED, and INVALID_TOKEN if the session ended meanwhile.
 */
export async function holderOf({
  apiKey,
  lookups,
  revalidate,
  session: presented,
}: Context<"id_token_or_api_key">): Promise<Holder> {
  if (apiKey !== undefined) {
    const { id, username, vhost, last_use, expires_at } = apiKey;
    if (!apiKey.activated) throw new AppError("ACCOUNT_NOT_ACTIVATED");
    const groups = groupsOfKey(apiKey);
    const validUntil = expires_at ?? undefined;
    return { grant: { apiKeyId: id }, username, groups, vhost, last_use, validUntil, session: undefined };
  }
  // Authorization has found one of them.
  if (presented === undefined) throw new AppError("INVALID_TOKEN");
  if (!presented.activated) throw new AppError("ACCOUNT_NOT_ACTIVATED");
  const confirmed = await revalidate(presented);
  // The directory may have taken seconds to answer.
  const session =
    confirmed === presented ? presented : confirmed && (await lookups.session(confirmed.token_id));
  if (session === undefined) throw new AppError("INVALID_TOKEN", "the session ended during its revalidation");
  if (!session.activated) throw new AppError("ACCOUNT_NOT_ACTIVATED");
  const { token_id, username, groups, vhost, last_use, valid_until: validUntil } = session;
  return { grant: { sid: token_id }, username, groups, vhost, last_use, validUntil, session };
}
