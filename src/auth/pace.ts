import { setTimeout as sleep } from "node:timers/promises";

/** So many of the latest refusals count, the slowest of them but no more than so many milliseconds. */
const REMEMBERED = 16;
const MAX_WAIT = 1000;

/** Assumed before anything was measured, in milliseconds. */
const FIRST_GUESS = 25;

/** Lets refusals of all login sources take alike, so that the time does not tell which source a name has. */
export interface Pace {
  /** Waits as long as the slowest of the latest remote refusals took, less what this one took already. */
  keep(took: number | undefined): Promise<void>;
}

/** A pace for an installation with a login source outside of the process. */
export function createPace(): Pace {
  const latest = [FIRST_GUESS];
  return {
    async keep(took) {
      if (took !== undefined) latest.push(took);
      if (latest.length > REMEMBERED) latest.shift();
      const wait = Math.min(MAX_WAIT, Math.max(...latest)) - (took ?? 0);
      if (wait > 0) await sleep(wait);
    },
  };
}

/** The pace where all is decided in the process: no wait. */
export const NO_PACE: Pace = { keep: async () => undefined };
