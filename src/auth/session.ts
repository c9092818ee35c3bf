import type { Lookups } from "../db/lookups.ts";
import type { SessionRow } from "../db/queries/id-tokens.ts";
import type { TokenValidator } from "../tokens/validator.ts";

/** A binding to this address is good from everywhere. */
export const ANY_IP = "*";

/** What became of an ID token: it is alive, was alive once, or is not in order. */
export type Resumed =
  | { readonly state: "alive"; readonly session: SessionRow }
  | { readonly state: "revoked"; readonly username: string }
  | { readonly state: "refused" };

const REFUSED: Resumed = { state: "refused" };

/** The session of an ID token that is presented from `ip`. */
export async function resumeSession(
  { lookups, validator }: { lookups: Lookups; validator: TokenValidator },
  idToken: string,
  ip: string,
): Promise<Resumed> {
  const claims = validator.verifyIdToken(idToken);
  if (claims === undefined) return REFUSED;
  const comesFrom = (bound: string): boolean => bound === ANY_IP || bound === ip;
  const row = await lookups.session(claims.tokenId);
  if (row === undefined)
    return comesFrom(claims.ip) ? { state: "revoked", username: claims.username } : REFUSED;
  // The row decides; the token must only agree with it.
  const agrees =
    row.token_id === claims.tokenId && row.username === claims.username && row.sign_method === claims.method;
  const alive = row.valid_until.getTime() > Date.now();
  return agrees && alive && comesFrom(row.ip) ? { state: "alive", session: row } : REFUSED;
}
