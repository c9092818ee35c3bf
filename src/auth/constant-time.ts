import { setTimeout as sleep } from "node:timers/promises";

/** How many of the latest refusals count. */
const REMEMBERED = 16;
/** In milliseconds. */
const MAX_DELAY = 1000;

/** The assumed duration before the first measurement, in milliseconds. */
const FIRST_GUESS = 25;

/** Makes refused logins equally slow for all login sources, so that the time does not reveal a user's source. */
export interface ConstantTimeResponse {
  /** Waits until this refusal took as long as the slowest recent remote one; `took` is in milliseconds. */
  delay(took: number | undefined): Promise<void>;
}

/** For installations with a directory or Kerberos realm. */
export function createConstantTimeResponse(): ConstantTimeResponse {
  const latest = [FIRST_GUESS];
  return {
    async delay(took) {
      if (took !== undefined) latest.push(took);
      if (latest.length > REMEMBERED) latest.shift();
      const wait = Math.min(MAX_DELAY, Math.max(...latest)) - (took ?? 0);
      if (wait > 0) await sleep(wait);
    },
  };
}

/** For installations with local accounts only. */
export const NO_DELAY: ConstantTimeResponse = { delay: async () => undefined };
