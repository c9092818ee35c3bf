import { type ChallengeRow, insertChallenge } from "../db/queries/challenges.ts";
import { lockUser, replaceHash } from "../db/queries/users.ts";
import { loginChallenged } from "./events.ts";
import { isUnchanged, type VerifiedLogin } from "./sessions.ts";
import { record, type Writer } from "./writer.ts";

/** A login whose password was right: where it comes from, and which factors can complete it. */
interface Challenged extends Pick<ChallengeRow, "ip" | "vhost" | "client" | "amr"> {
  readonly methods: readonly string[];
}

/**
 * Records that a user's password was right and a second factor is needed, with a challenge for it or for its setup.
 * Returns false, and writes nothing, if the account has changed since the password was compared.
 */
export async function challengeLogin(
  { trx }: Writer,
  { user, rehashed }: VerifiedLogin,
  { methods, ...login }: Challenged,
  {
    hash,
    purpose,
    expiresAt,
  }: { readonly hash: Uint8Array; readonly purpose: "login" | "setup"; readonly expiresAt: Date },
): Promise<boolean> {
  const { username } = user;
  const current = await lockUser(trx, username);
  if (!isUnchanged(current, user)) return false;
  if (rehashed !== undefined) await replaceHash(trx, username, rehashed);
  const row = { ...login, purpose, username, accountModifiedAt: current.modified_at };
  await insertChallenge(trx, hash, row, expiresAt);
  await record({ trx, actor: username }, loginChallenged(username, { ...login, methods }));
  return true;
}
