import type { LoginStep, SecondFactorMethod } from "../errors.ts";
import { check, object, oneOf, optionsOf, text } from "./check.ts";
import type { ReplyFrom, RequestTo } from "./queues.ts";

/** A login whose password was right, and which needs a second factor. */
export interface SecondFactorRequest {
  /** For `session.loginContinue`; the session sends it. */
  readonly challenge: string;
  /** How the account can answer. */
  readonly methods: readonly SecondFactorMethod[];
  /** With passkeys: the options for `navigator.credentials.get`, in JSON form (WebAuthn section 5.1.9). */
  readonly passkeyOptions: LoginStep["passkey_options"];
  /** Aborted when the session is closed: nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** The second factor of a login: a code of six digits, a recovery code, or the credential of a passkey in JSON form. */
export type SecondFactorAnswer =
  | { readonly totp: string }
  | { readonly recovery_code: string }
  | { readonly passkey: NonNullable<RequestTo<"login_continue">["passkey"]> };

/** Gets the second factor, for example from a person. */
export type SecondFactorSource = (
  request: SecondFactorRequest,
) => SecondFactorAnswer | Promise<SecondFactorAnswer>;

/** The workflow that continues a login. */
export type ContinueLogin = (request: RequestTo<"login_continue">) => Promise<ReplyFrom<"login_continue">>;

const answers = oneOf({
  totp: optionsOf({ totp: text }),
  recovery_code: optionsOf({ recovery_code: text }),
  passkey: optionsOf({ passkey: object }),
});

/**
 * The request that continues a login after its error, with the answer of the function. Throws the error if it asks for
 * no second factor, and a TypeError for a wrong answer. Rejects with the signal's reason once that is aborted.
 */
export async function answerTo(
  error: unknown,
  source: SecondFactorSource,
  signal: AbortSignal,
): Promise<RequestTo<"login_continue">> {
  const request = challengeIn(error);
  if (request === undefined) throw error;
  const answer = await unlessAborted(signal, async () => source({ ...request, signal }));
  check("createSession", answer, answers, "the result of secondFactor()");
  return { challenge: request.challenge, ...answer };
}

/** The challenge in an AuthError, or in an AppError of `createAuth`; undefined in any other error. */
function challengeIn(error: unknown): Omit<SecondFactorRequest, "signal"> | undefined {
  if (!(error instanceof Error)) return undefined;
  // Both have these members; any other error has none of them.
  const { challenge, methods = [], passkeyOptions } = error as Partial<SecondFactorRequest>;
  return typeof challenge === "string" ? { challenge, methods, passkeyOptions } : undefined;
}

async function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    // The reason is an Error: `close()` gives it.
    abort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", abort);
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
