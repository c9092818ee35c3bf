import { countOneTimeTokens, useOneTimeToken } from "../db/queries/one-time-tokens.ts";
import { type UserRef, lockUser } from "../db/queries/users.ts";
import { changeAccount } from "./change.ts";
import { accountKeyOf, sendOneTimeToken } from "./one-time-tokens.ts";
import type { MessageRules } from "./verification.ts";
import type { Writer } from "./writer.ts";

/** Maximum number of valid reset tokens per account, to limit unwanted emails. */
const MAX_TOKENS = 5;

/**
 * Emails a password reset token if the account exists. Runs the same statements if it does not exist or has five valid
 * tokens, so the response time reveals nothing. `typed` is the name or address from the request.
 */
export async function requestPasswordReset(
  writer: Writer,
  found: string | undefined,
  typed: string,
  { app, fingerprints }: MessageRules,
): Promise<void> {
  const { trx } = writer;
  // Re-read under the lock: the account may have been deleted or changed since it was found.
  const user = await lockUser(trx, found ?? "");
  const mayReset = user?.auth_type === "LOCAL" && user.activated === 1 ? user : undefined;
  const account = mayReset?.username ?? typed;
  const isOverLimit = (await countOneTimeTokens(trx, accountKeyOf(fingerprints, account))) >= MAX_TOKENS;
  await sendOneTimeToken(writer, fingerprints, {
    purpose: "password_reset",
    type: "password.reset_requested",
    // A request over the limit counts for no account, so it does not extend the wait.
    account: isOverLimit ? "" : account,
    to: isOverLimit ? undefined : mayReset,
    about: isOverLimit ? null : (user?.username ?? null),
    lifetime: app.password_reset_valid_time,
  });
}

/**
 * Consumes a reset token and sets the new password. Marks the address as verified, because its owner received the
 * token.
 */
export async function resetPassword(
  writer: Writer,
  user: UserRef,
  { digest, password_hash }: { readonly digest: Uint8Array; readonly password_hash: Uint8Array },
  adminGroup: string,
): Promise<"changed" | "used meanwhile" | "changed meanwhile"> {
  // Lock the user before the token, as everywhere: different orders would deadlock.
  await lockUser(writer.trx, user.username);
  if (!(await useOneTimeToken(writer.trx, "password_reset", digest))) return "used meanwhile";
  const outcome = await changeAccount(writer, user, { password_hash }, { adminGroup, isReset: true });
  return outcome === "changed" ? "changed" : "changed meanwhile";
}
