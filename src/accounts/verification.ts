import type { AppConfig } from "../config/schema.ts";
import { countEvents } from "../db/queries/events.ts";
import { type Holder, useOneTimeToken } from "../db/queries/one-time-tokens.ts";
import { lockUser, verifyEmail } from "../db/queries/users.ts";
import type { Fingerprints } from "../tokens/fingerprint.ts";
import type { Trx } from "../db/database.ts";
import { userVerified } from "./events.ts";
import { sendOneTimeToken } from "./one-time-tokens.ts";
import { record, type Writer } from "./writer.ts";

/** What emails to users depend on. */
export interface MessageRules {
  readonly app: AppConfig;
  readonly fingerprints: Fingerprints;
}

const REQUESTED = "user.verification_requested";

/** Verification emails per account, and their period in milliseconds: an account may name other people's addresses. */
const MAX_VERIFICATIONS = 5;
const VERIFICATION_PERIOD = 60 * 60_000;

/** Whether an account has reached its limit of verification emails per hour. */
async function isOverLimit(trx: Trx, username: string): Promise<boolean> {
  const since = new Date(Date.now() - VERIFICATION_PERIOD);
  return (await countEvents(trx, REQUESTED, username, since)) >= MAX_VERIFICATIONS;
}

/** Sends a verification email, at most five per hour and account. The user's row must be locked. */
export async function requestVerification(
  writer: Writer,
  { username, email }: { readonly username: string; readonly email: string },
  { app, fingerprints }: MessageRules,
): Promise<void> {
  if (await isOverLimit(writer.trx, username)) return;
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
 * Sends the verification email again if the account exists and its address is not verified. Runs the same statements in
 * any case, so the response time reveals nothing. `typed` is the name or address from the request.
 */
export async function resendVerification(
  writer: Writer,
  found: string | undefined,
  typed: string,
  { app, fingerprints }: MessageRules,
): Promise<void> {
  const { trx } = writer;
  const user = await lockUser(trx, found ?? "");
  // An account that has not changed since registration waits for verification. Any other inactive account may have been
  // deactivated by an administrator.
  const isWaiting = user?.activated === 1 || user?.modified_at === user?.created_at;
  const mayVerify = user?.auth_type === "LOCAL" && user.email_verified_at === null && isWaiting;
  const exceeded = await isOverLimit(trx, user?.username ?? typed);
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

/** Consumes a verification token and marks the address as verified; also activates the account if `activates`. */
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
