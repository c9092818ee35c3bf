import type { Database } from "../db/database.ts";
import { findSession, type SessionRow } from "../db/queries/id-tokens.ts";
import type { TokenValidator } from "../tokens/validator.ts";

/** A binding to this address is good from everywhere. */
export const ANY_IP = "*";

/** The live session of an ID token that is presented from `ip`; undefined when it is not in order or revoked. */
export async function resumeSession(
  { db, validator }: { db: Database; validator: TokenValidator },
  idToken: string,
  ip: string,
): Promise<SessionRow | undefined> {
  const claims = await validator.verifyIdToken(idToken);
  if (claims === undefined) return undefined;
  const row = await findSession(db, claims.tokenId);
  if (row === undefined) return undefined;
  // The row decides; the token must only agree with it.
  const agrees =
    row.token_id === claims.tokenId && row.username === claims.username && row.sign_method === claims.method;
  const alive = row.valid_until.getTime() > Date.now();
  return agrees && alive && (row.ip === ANY_IP || row.ip === ip) ? row : undefined;
}
