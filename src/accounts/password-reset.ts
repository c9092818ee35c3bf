import { countOneTimeTokens, useOneTimeToken } from "../db/queries/one-time-tokens.ts";
import { type UserRef, lockUser } from "../db/queries/users.ts";
import { changeAccount } from "./change.ts";
import { accountKeyOf, sendOneTimeToken } from "./one-time-tokens.ts";
import type { MessageRules } from "./verification.ts";
import type { Writer } from "./writer.ts";

/** Messages to one account until the first of their tokens expires: more would be a nuisance. */
const MAX_TOKENS = 5;

/**
 * Sends a token for a new password, where there is such an account. The same statements whether there is one or not, and
 * has five tokens already, so the time tells nothing; `typed` is what was asked for.
 */
export async function requestPasswordReset(
  writer: Writer,
  found: string | undefined,
  typed: string,
  { app, fingerprints }: MessageRules,
): Promise<void> {
  const { trx } = writer;
  // As it is now: it may have been deleted, or have another address, since it was found.
  const user = await lockUser(trx, found ?? "");
  const mayReset = user?.auth_type === "LOCAL" && user.activated === 1 ? user : undefined;
  const account = mayReset?.username ?? typed;
  const isTooMany = (await countOneTimeTokens(trx, accountKeyOf(fingerprints, account))) >= MAX_TOKENS;
  await sendOneTimeToken(writer, fingerprints, {
    purpose: "password_reset",
    type: "password.reset_requested",
    // Nobody's: what is too much does not keep the account waiting for longer.
    account: isTooMany ? "" : account,
    to: isTooMany ? undefined : mayReset,
    about: isTooMany ? null : (user?.username ?? null),
    lifetime: app.password_reset_valid_time,
  });
}

/** Uses a reset token up and sets the new password; the address counts as verified, because its reader has the token. */
export async function resetPassword(
  writer: Writer,
  user: UserRef,
  { digest, password_hash }: { readonly digest: Uint8Array; readonly password_hash: Uint8Array },
  adminGroup: string,
): Promise<"changed" | "used meanwhile" | "changed meanwhile"> {
  // The user before the token, as everywhere.
  await lockUser(writer.trx, user.username);
  if (!(await useOneTimeToken(writer.trx, "password_reset", digest))) return "used meanwhile";
  const outcome = await changeAccount(writer, user, { password_hash }, { adminGroup, isReset: true });
  return outcome === "changed" ? "changed" : "changed meanwhile";
}
