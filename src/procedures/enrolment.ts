import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { AddedFactor, Enrolee, NewRecoveryCodes } from "../accounts/factors.ts";
import type { Writer } from "../accounts/writer.ts";
import { createRowId } from "../db/row-id.ts";
import { AppError } from "../errors.ts";
import type { Context } from "../rpc/context.ts";
import { digestOfChallenge } from "../tokens/challenge.ts";
import { deriveRecoveryCodes, digestOfRecoveryCode } from "../tokens/recovery-codes.ts";
import { issuedToken, openSession, recallSession, type SessionReply } from "./session/open-session.ts";

type EnrolmentContext = Context<"enrolment">;

/** The reply fields of a finished enrolment. */
export const enrolled = {
  id: z.string().describe("id of the factor, for `factor_remove`"),
  recovery_codes: z
    .array(z.string())
    .optional()
    .describe(
      "ten codes that each replace a second factor once; only with the first factor, and only this time",
    ),
  id_token: z.string().optional().describe("ID token of a new session; only with setup_token"),
  expires_at: z.iso
    .datetime()
    .optional()
    .describe("expiry time of the ID token, in UTC; only with setup_token"),
  expires_in: z.int().min(0).optional().describe("seconds until the ID token expires; only with setup_token"),
};

/** What is stored of a finished enrolment for an idempotent replay. */
const storedEnrolment = z.object({
  id: z.string(),
  /** Gives the same recovery codes again, but only with the signing key. */
  seed: z.string().optional(),
  session: issuedToken.optional(),
});

type StoredEnrolment = z.output<typeof storedEnrolment>;

/** The reply of a finished enrolment. */
export interface EnrolmentReply extends Partial<SessionReply> {
  readonly id: string;
  readonly recovery_codes?: string[];
}

/** The account that enrols a factor; throws INVALID_TOKEN if there is none. */
export function enroleeOf({ account, setup }: Pick<EnrolmentContext, "account" | "setup">): Enrolee {
  if (setup !== undefined) return { username: setup.username, setupHash: digestOfChallenge(setup.challenge) };
  if (account === undefined) throw new AppError("INVALID_TOKEN", "the account was deleted");
  return { username: account.username, setupHash: undefined };
}

/** The error for an account that may not enrol, or not any more. */
export function enrolmentRefused({ setup }: Pick<EnrolmentContext, "setup">): AppError {
  return setup === undefined
    ? new AppError("FORBIDDEN", "the account cannot have a second factor, or was changed")
    : new AppError(
        "INVALID_TOKEN",
        "the setup token was used, or the account has a factor or has changed since",
      );
}

/** Recovery codes that are not stored, their digests, and the seed that gives the same codes again. */
export interface GeneratedCodes extends NewRecoveryCodes {
  readonly seed: string;
  readonly codes: string[];
}

/** Generates recovery codes. */
export function generateCodes({ fingerprints }: Pick<Context, "fingerprints">): GeneratedCodes {
  const seed = randomBytes(32).toString("base64url");
  const codes = deriveRecoveryCodes(fingerprints, seed);
  return { id: createRowId(), seed, codes, hashes: codes.map(digestOfRecoveryCode) };
}

/** Ends an enrolment in its transaction: the reply, and what is stored for a replay. A setup token starts a session. */
export async function finishEnrolment(
  context: EnrolmentContext,
  writer: Writer,
  { user, hasNewCodes }: AddedFactor,
  {
    id,
    amr,
    generated,
  }: { readonly id: bigint; readonly amr: readonly string[]; readonly generated: GeneratedCodes },
): Promise<{ readonly reply: EnrolmentReply; readonly stored: StoredEnrolment }> {
  const { setup } = context;
  const opened =
    setup === undefined
      ? undefined
      : await openSession(
          context,
          writer,
          { ...setup, amr: [...setup.amr, ...amr] },
          { user, rehashed: undefined },
        );
  return {
    reply: {
      id: id.toString(),
      ...(hasNewCodes ? { recovery_codes: generated.codes } : {}),
      ...opened?.reply,
    },
    stored: {
      id: id.toString(),
      ...(hasNewCodes ? { seed: generated.seed } : {}),
      ...(opened === undefined ? {} : { session: opened.stored }),
    },
  };
}

/** The reply of a finished enrolment again, for a replay. */
export function recallEnrolment(
  context: Pick<Context, "fingerprints" | "issuer" | "notes">,
  stored: unknown,
): EnrolmentReply {
  const { id, seed, session } = storedEnrolment.parse(stored);
  return {
    id,
    ...(seed === undefined ? {} : { recovery_codes: deriveRecoveryCodes(context.fingerprints, seed) }),
    ...(session === undefined ? {} : recallSession(context, session)),
  };
}
