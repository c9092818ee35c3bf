import type { AppConfig } from "../config/schema.ts";
import { countEvents } from "../db/queries/events.ts";
import { type Holder, useOneTimeToken } from "../db/queries/one-time-tokens.ts";
import { lockUser, verifyEmail } from "../db/queries/users.ts";
import type { Fingerprints } from "../tokens/fingerprint.ts";
import type { Trx } from "../db/database.ts";
import { userVerified } from "./events.ts";
import { sendOneTimeToken } from "./one-time-tokens.ts";
import { record, type Writer } from "./writer.ts";

/** What messages to users depend on. */
export interface MessageRules {
  readonly app: AppConfig;
  readonly fingerprints: Fingerprints;
}

const REQUESTED = "user.verification_requested";

/** Messages to the addresses that one account names, in so many milliseconds: it may name other people's. */
const MAX_VERIFICATIONS = 5;
const VERIFICATIONS_WITHIN = 60 * 60_000;

/** Whether an account has had as many messages about its address as it may have within an hour. */
async function isTooMany(trx: Trx, username: string): Promise<boolean> {
  const since = new Date(Date.now() - VERIFICATIONS_WITHIN);
  return (await countEvents(trx, REQUESTED, username, since)) >= MAX_VERIFICATIONS;
}

/** Has the address of a user verified, five times an hour at most. The user's row must be locked. */
export async function requestVerification(
  writer: Writer,
  { username, email }: { readonly username: string; readonly email: string },
  { app, fingerprints }: MessageRules,
): Promise<void> {
  if (await isTooMany(writer.trx, username)) return;
  await sendOneTimeToken(writer, fingerprints, {
    purpose: "email_verification",
    type: REQUESTED,
    account: username,
    to: { username, email },
    about: username,
    lifetime: app.email_verification_valid_time,
  });
}

/**
 * Sends the verification again, where there is such an account and its address is not verified. The same statements
 * whatever there is, so the time tells nothing; `typed` is what was asked for.
 */
export async function resendVerification(
  writer: Writer,
  found: string | undefined,
  typed: string,
  { app, fingerprints }: MessageRules,
): Promise<void> {
  const { trx } = writer;
  const user = await lockUser(trx, found ?? "");
  // An account that nobody has changed since it was registered waits for its verification; an administrator may have
  // deactivated any other.
  const isWaiting = user?.activated === 1 || user?.modified_at === user?.created_at;
  const mayVerify = user?.auth_type === "LOCAL" && user.email_verified_at === null && isWaiting;
  const exceeded = await isTooMany(trx, user?.username ?? typed);
  const to = mayVerify && !exceeded && user.email !== null ? user : undefined;
  await sendOneTimeToken(writer, fingerprints, {
    purpose: "email_verification",
    type: REQUESTED,
    account: to?.username ?? "",
    to,
    about: to?.username ?? null,
    lifetime: app.email_verification_valid_time,
  });
}

/** Uses a verification token up, and activates the account for it where `activates` says so. */
export async function verifyAddress(
  writer: Writer,
  { username, email }: Holder,
  digest: Uint8Array,
  activates: boolean,
): Promise<"verified" | "used meanwhile" | "changed meanwhile"> {
  const { trx } = writer;
  const user = await lockUser(trx, username);
  if (!(await useOneTimeToken(trx, "email_verification", digest))) return "used meanwhile";
  const isActivated = activates && user?.activated === 0;
  if (!(await verifyEmail(trx, { username, email }, isActivated))) return "changed meanwhile";
  await record(writer, userVerified(username, email, isActivated));
  return "verified";
}
