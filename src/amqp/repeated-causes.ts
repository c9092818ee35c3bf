/** A cause that goes on is logged again after so long, in milliseconds. */
const REMINDER = 5 * 60_000;

/** Whether a failure is worth a line in the log. */
export interface Occurrence {
  /** It is new, or was logged long ago. */
  readonly isNews: boolean;
  /** How often the same has happened since it was logged; undefined for 0. */
  readonly repeated: number | undefined;
}

/** Finds out which of many failures to log: each cause once, and once more every five minutes while it goes on. */
export class RepeatedCauses {
  readonly #known = new Map<string, { loggedAt: number; repeated: number }>();

  /** Notes a failure. */
  note(cause: string): Occurrence {
    const now = performance.now();
    const known = this.#known.get(cause);
    if (known !== undefined && now - known.loggedAt < REMINDER) {
      known.repeated++;
      return { isNews: false, repeated: known.repeated };
    }
    this.#known.set(cause, { loggedAt: now, repeated: 0 });
    return { isNews: true, repeated: known?.repeated };
  }

  /** It is over: each cause is new from now on. */
  clear(): void {
    this.#known.clear();
  }
}
