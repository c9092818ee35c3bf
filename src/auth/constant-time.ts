import { setTimeout as sleep } from "node:timers/promises";

/** The number of latest refusals that count, and the longest delay in milliseconds. */
const REMEMBERED = 16;
const MAX_WAIT = 1000;

/** The duration before anything was measured, in milliseconds. */
const FIRST_GUESS = 25;

/** Gives refused logins of all login sources the same response time, which therefore does not reveal a user's source. */
export interface ConstantTimeResponse {
  /** Waits until this refusal has taken as long as the slowest of the latest remote ones; `took` in milliseconds. */
  delay(took: number | undefined): Promise<void>;
}

/** For an installation with a login source outside the process. */
export function createConstantTimeResponse(): ConstantTimeResponse {
  const latest = [FIRST_GUESS];
  return {
    async delay(took) {
      if (took !== undefined) latest.push(took);
      if (latest.length > REMEMBERED) latest.shift();
      const wait = Math.min(MAX_WAIT, Math.max(...latest)) - (took ?? 0);
      if (wait > 0) await sleep(wait);
    },
  };
}

/** For an installation where the process itself checks all passwords. */
export const NO_DELAY: ConstantTimeResponse = { delay: async () => undefined };
