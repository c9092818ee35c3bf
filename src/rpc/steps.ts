import type { Procedure } from "./procedure.ts";

/** The steps of the pipeline that depend on the procedure; every request passes the others. */
export interface Steps {
  /** Which token is verified, and for what. */
  readonly authorize: Procedure["access"];
  /** Whether the named account is compared with the token. */
  readonly account: boolean;
  /** Whether failed attempts are counted. */
  readonly rateLimit: boolean;
  /** Whether a retry gets the recorded reply. */
  readonly replay: boolean;
}

/** Which steps a procedure uses. */
export function stepsOf(procedure: Procedure): Steps {
  const { access, remembersAnswer = false } = procedure;
  return {
    authorize: access,
    account: access === "self" || access === "optional",
    rateLimit: procedure.guesses !== undefined,
    replay: remembersAnswer,
  };
}
