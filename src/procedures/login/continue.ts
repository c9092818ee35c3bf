import { z } from "zod";
import { useFactor } from "../../accounts/factors.ts";
import type { RightAnswer } from "../../auth/second-factor/challenges.ts";
import { deleteChallenge } from "../../db/queries/challenges.ts";
import { AppError, WRONG_CREDENTIAL } from "../../errors.ts";
import type { Context } from "../../rpc/context.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { commitReply } from "../commit-reply.ts";
import { alwaysChecked, ip, textField } from "../fields.ts";
import { recoveryCode, totpCode } from "../factor-fields.ts";
import { passkeyAssertion } from "../passkey/credential.ts";
import { expiry } from "../session/expiry.ts";
import { openSession, recallSession, type SessionReply } from "../session/open-session.ts";

const ANSWERS = ["totp", "recovery_code", "passkey"] as const;

type Given = Readonly<Partial<Record<(typeof ANSWERS)[number], unknown>>>;

const countAnswers = (given: Given): number => ANSWERS.filter((name) => given[name] !== undefined).length;

export const loginContinue = defineProcedure({
  name: "login_continue",
  key: "session_workflow_login_continue",
  namespace: "session",
  method: "loginContinue",
  description:
    "Completes a login with an answer to its challenge: a TOTP code, a recovery code or a passkey. Five wrong answers " +
    "end the challenge.",
  access: "public",
  requires: "second_factor",
  remembersAnswer: true,
  asksDirectory: true,
  errors: ["INVALID_CREDENTIALS", "ACCOUNT_NOT_ACTIVATED", "TOKEN_TOO_LARGE"],
  input: () =>
    z
      .object({
        challenge: textField().min(1, "must not be empty").max(100, "is too long").describe("from `login`"),
        totp: totpCode().optional(),
        recovery_code: recoveryCode().optional(),
        passkey: passkeyAssertion().optional(),
        ip: ip(),
      })
      .refine((given) => countAnswers(given) > 0, {
        path: ["totp"],
        error: "is missing: send totp, recovery_code or passkey",
        ...alwaysChecked,
      })
      .refine((given) => countAnswers(given) < 2, {
        path: ["totp"],
        error: "must be the only answer: send one of totp, recovery_code and passkey",
        ...alwaysChecked,
      })
      .meta({ anyOf: ANSWERS.map((name) => ({ required: [name] })) }),
  output: z.object({ id_token: z.string().describe("ID token, for `token` and `logout`"), ...expiry }),
  example: {
    request: { challenge: "<challenge>", totp: "287082", ip: "192.0.2.17" },
    reply: { id_token: "<ID token>", expires_at: "2026-11-30T10:00:00.000Z", expires_in: 86_400 },
  },
  guesses: (answer, { challenges }) => challenges.accountOf(answer),
  async handler(context, answer) {
    const { announceEvents, challenges, notes } = context;
    const right = await challenges.check(answer);
    announceEvents();
    if (right === undefined) throw wrongAnswer();
    notes.user = right.user.username;
    if (right.user.activated !== 1) {
      await challenges.recordRefusal(answer, right, "not-activated");
      announceEvents();
      throw new AppError("ACCOUNT_NOT_ACTIVATED");
    }
    try {
      return await complete(context, right);
    } catch (error) {
      if (error instanceof AppError && error.code === "INVALID_CREDENTIALS") {
        await challenges.recordRefusal(answer, right, "second-factor");
        announceEvents();
      }
      throw error;
    }
  },
  recall: async (context, stored) => recallSession(context, stored),
});

/** Starts the session, and consumes the challenge and the factor in the same transaction. */
async function complete(
  context: Context<"public">,
  { user, use, login, challengeHash, amr }: RightAnswer,
): Promise<SessionReply> {
  const { ip: address, vhost, client } = login;
  const { username } = user;
  const origin = { ip: address, vhost, client, amr };
  return commitReply(context, (writer) =>
    openSession(context, writer, origin, {
      ...{ user, rehashed: undefined },
      // The account is locked now: of parallel requests with the same answer, one gets a session.
      async beforeStart() {
        const isFirst = await deleteChallenge(writer.trx, challengeHash);
        if (!isFirst || !(await useFactor({ ...writer, actor: username }, username, use)))
          throw wrongAnswer();
      },
    }),
  );
}

/** The same error whatever is wrong. */
function wrongAnswer(): AppError {
  return new AppError("INVALID_CREDENTIALS", undefined, { publicMsg: WRONG_CREDENTIAL.login_continue });
}
