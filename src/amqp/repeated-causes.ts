/** An ongoing cause is logged again after this time, in milliseconds. */
const REMINDER = 5 * 60_000;

/** Whether to log a failure. */
export interface Occurrence {
  /** True for a new cause, and for one that was logged more than five minutes ago. */
  readonly shouldLog: boolean;
  /** How often the cause occurred since it was last logged; undefined for 0. */
  readonly repeated: number | undefined;
}

/** Limits logging of repeated failures: each cause once, and again every five minutes while it lasts. */
export class RepeatedCauses {
  readonly #known = new Map<string, { loggedAt: number; repeated: number }>();

  /** Notes a failure. */
  note(cause: string): Occurrence {
    const now = performance.now();
    const known = this.#known.get(cause);
    if (known !== undefined && now - known.loggedAt < REMINDER) {
      known.repeated++;
      return { shouldLog: false, repeated: known.repeated };
    }
    this.#known.set(cause, { loggedAt: now, repeated: 0 });
    return { shouldLog: true, repeated: known?.repeated };
  }

  /** Forgets all causes, after a recovery. */
  clear(): void {
    this.#known.clear();
  }
}
