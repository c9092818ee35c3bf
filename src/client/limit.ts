import { deferred } from "../wire/deferred.ts";

/** The longest timeout of a Node timer, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/**
 * A time limit that ends after `ms` milliseconds, when the signal aborts, or on `end`. Work that waits within it then
 * rejects with the reason. Dispose of it to remove its timer and listener.
 */
export class Limit implements Disposable {
  readonly #until: number;
  readonly #over = deferred<never>();
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = (): void => this.end(this.#signal?.reason);

  constructor(ms: number, reason: () => Error, signal?: AbortSignal) {
    if (!(ms > 0)) throw new RangeError("timeout must be a number of milliseconds greater than 0");
    const capped = Math.min(ms, LONGEST);
    this.#until = performance.now() + capped;
    this.#over.promise.catch(() => undefined); // no unhandled rejection when nothing waits
    this.#timer = setTimeout(() => this.end(reason()), capped);
    this.#signal = signal;
    if (signal?.aborted === true) this.#abort();
    else signal?.addEventListener("abort", this.#abort);
  }

  /** Milliseconds that are left; at least 1, because a broker may drop a message with expiration 0 at once. */
  get left(): number {
    return Math.max(1, Math.ceil(this.#until - performance.now()));
  }

  /** Ends the limit now with this reason; no effect when it has ended. */
  end(reason: unknown): void {
    this.#over.reject(reason);
  }

  /** Resolves like the work; rejects with the reason when the limit ends first. */
  race<T>(work: Promise<T>): Promise<T> {
    return Promise.race([this.#over.promise, work]);
  }

  /** Resolves after `ms` milliseconds; rejects with the reason when the limit ends first. */
  async sleep(ms: number): Promise<void> {
    const { promise, resolve } = deferred<void>();
    const timer = setTimeout(resolve, ms);
    try {
      await this.race(promise);
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#abort);
  }
}
