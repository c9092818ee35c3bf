import { extendIdToken } from "../../db/queries/id-tokens.ts";
import { AppError } from "../../errors.ts";
import type { Context } from "../../rpc/context.ts";
import { endAfter, expiryOf } from "./expiry.ts";
import type { Holder } from "./holder.ts";

/** A new ID token in a reply. */
interface RenewedToken {
  readonly id_token: string;
  readonly id_token_expires_at: string;
  readonly id_token_expires_in: number;
}

/**
 * Extends a session by the lifetime of an ID token, within `session_renewal_time` after its login, and issues an ID
 * token with that end. The earlier ones stay valid until their own end, unless this installation signs with another
 * algorithm now: a session has only one. Throws INVALID_INPUT for an API key.
 */
export async function renewIdToken(
  { app, commit, issuer }: Context<"id_token_or_api_key">,
  holder: Holder,
  now: Date,
): Promise<{ readonly holder: Holder; readonly reply: RenewedToken }> {
  const { session, username, groups } = holder;
  if (session === undefined)
    throw new AppError("INVALID_INPUT", undefined, {
      fields: [{ path: "renew", msg: "cannot be true: an API key needs no renewal" }],
    });
  const { token_id: tokenId, ip, created_at, valid_until } = session;
  const latest = endAfter(created_at, app.session_renewal_time * 60);
  const wanted = endAfter(now, app.id_token_valid_time * 60, latest);
  const validUntil = wanted > valid_until ? wanted : valid_until;
  const { text } = issuer.signIdToken({ username, groups }, { tokenId, ip, issuedAt: now, validUntil });
  const renewed = { validUntil, method: issuer.method };
  if (!(await commit((writer) => extendIdToken(writer.trx, tokenId, renewed))))
    throw new AppError("INVALID_TOKEN", "the session was revoked during the request");
  const { expires_at, expires_in } = expiryOf(validUntil, now);
  return {
    holder: { ...holder, validUntil },
    reply: { id_token: text, id_token_expires_at: expires_at, id_token_expires_in: expires_in },
  };
}
