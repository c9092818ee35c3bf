import type { Procedure } from "./procedure.ts";

/** The pipeline steps that depend on the procedure; all other steps apply to every request. */
export interface Steps {
  /** What must be turned on in the configuration. */
  readonly requires: Procedure["requires"];
  /** Which token is verified, and the required authorization. */
  readonly authorize: Procedure["access"];
  /** Whether the login may have to be recent. */
  readonly recentLogin: boolean;
  /** Whether the named account is compared with the token. */
  readonly account: boolean;
  /** Whether failed attempts are counted. */
  readonly rateLimit: boolean;
  /** Whether a retry gets the recorded reply. */
  readonly replay: boolean;
}

/** The steps that a procedure uses. */
export function stepsOf(procedure: Procedure): Steps {
  const { access, remembersAnswer = false, requires } = procedure;
  return {
    requires,
    authorize: access,
    recentLogin: procedure.needsRecentLogin !== undefined,
    account: access === "self" || access === "optional",
    rateLimit: procedure.guesses !== undefined,
    replay: remembersAnswer,
  };
}
