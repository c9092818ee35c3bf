import type { Lookups } from "../db/lookups.ts";
import type { SessionRow } from "../db/queries/id-tokens.ts";
import type { TokenValidator } from "../tokens/validator.ts";

/** A session with this address is valid from any client address. */
export const ANY_IP = "*";

/** The session that an unexpired ID token names; it may have ended. */
export type NamedSession = Pick<SessionRow, "token_id" | "username">;

/** The state of an ID token's session; "refused" if the token itself is not valid. */
export type ResumedSession =
  | { readonly state: "alive"; readonly session: SessionRow }
  | { readonly state: "ended"; readonly session: NamedSession }
  | { readonly state: "refused" };

const REFUSED: ResumedSession = { state: "refused" };

/** Whether a token that is bound to a client address may be used from `ip`. */
export function isUsableFrom({ ip: boundTo }: { readonly ip: string }, ip: string): boolean {
  return boundTo === ANY_IP || boundTo === ip;
}

/** Finds the session of an ID token that is used from `ip`. */
export async function resumeSession(
  { lookups, validator }: { lookups: Lookups; validator: TokenValidator },
  idToken: string,
  ip: string,
): Promise<ResumedSession> {
  const claims = validator.verifyIdToken(idToken);
  if (claims === undefined) return REFUSED;
  const { tokenId: token_id, username } = claims;
  const row = await lookups.session(token_id);
  // The database row decides; the token must match it.
  if (row !== undefined && !(row.username === username && row.sign_methods.includes(claims.method)))
    return REFUSED;
  if (!isUsableFrom(row ?? claims, ip)) return REFUSED;
  const now = Date.now();
  // A renewal extends the session, but not its earlier ID tokens.
  if (claims.validUntil.getTime() <= now) return REFUSED;
  if (row !== undefined && row.valid_until.getTime() > now) return { state: "alive", session: row };
  return { state: "ended", session: { token_id, username } };
}
