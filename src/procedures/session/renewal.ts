import { renewSession } from "../../accounts/sessions.ts";
import { AppError } from "../../errors.ts";
import type { Context } from "../../rpc/context.ts";
import { endAfter, expiryOf } from "./expiry.ts";
import type { Holder } from "./holder.ts";

/** The renewal of a session. */
export interface Renewal {
  /** The holder, with the new end of the session. */
  readonly holder: Holder;
  /** The new ID token in the reply. */
  readonly reply: {
    readonly id_token: string;
    readonly id_token_expires_at: string;
    readonly id_token_expires_in: number;
  };
  /** Extends the session. Throws INVALID_TOKEN or ACCOUNT_NOT_ACTIVATED if that has changed since the look-up. */
  save(): Promise<void>;
}

/**
 * Prepares to extend a session by the lifetime of an ID token, within `session_renewal_time` after its login, and signs
 * an ID token with that end. The earlier ones stay valid until their own end. Throws INVALID_INPUT for an API key.
 */
export function prepareRenewal(
  { app, commit, issuer }: Context<"id_token_or_api_key">,
  holder: Holder,
  now: Date,
): Renewal {
  const { session, username, groups } = holder;
  if (session === undefined)
    throw new AppError("INVALID_INPUT", undefined, {
      fields: [{ path: "renew", msg: "cannot be true: an API key needs no renewal" }],
    });
  const { token_id: tokenId, ip, created_at, valid_until, amr } = session;
  const latest = endAfter(created_at, app.session_renewal_time * 60);
  const wanted = endAfter(now, app.id_token_valid_time * 60, latest);
  const validUntil = wanted > valid_until ? wanted : valid_until;
  const login = { amr, authTime: created_at };
  const token = { tokenId, ip, issuedAt: now, validUntil, ...login };
  const { text } = issuer.signIdToken({ username, groups }, token);
  const { expires_at, expires_in } = expiryOf(validUntil, now);
  return {
    holder: { ...holder, validUntil },
    reply: { id_token: text, id_token_expires_at: expires_at, id_token_expires_in: expires_in },
    async save() {
      const row = { tokenId, validUntil, method: issuer.method };
      const outcome = await commit((writer) => renewSession(writer, username, row));
      if (outcome === "deactivated") throw new AppError("ACCOUNT_NOT_ACTIVATED");
      if (outcome === "ended")
        throw new AppError("INVALID_TOKEN", "the session was revoked during the request");
    },
  };
}
