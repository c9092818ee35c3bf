/** The longest time that a timer of Node can be set to, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/**
 * The time that something may take. It is over after so many milliseconds, when a signal says so, or when it is ended by
 * hand; whatever waits within it then rejects with the reason. Disposed of, it leaves no timer and no listener behind.
 */
export class Limit implements Disposable {
  readonly #until: number;
  readonly #over = Promise.withResolvers<never>();
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = (): void => this.end(this.#signal?.reason);

  constructor(ms: number, reason: () => Error, signal?: AbortSignal) {
    if (!(ms > 0)) throw new RangeError("a timeout is a number of milliseconds greater than 0");
    const most = Math.min(ms, LONGEST);
    this.#until = performance.now() + most;
    this.#over.promise.catch(() => undefined); // it need not be waited for
    this.#timer = setTimeout(() => this.end(reason()), most);
    this.#signal = signal;
    if (signal?.aborted === true) this.#abort();
    else signal?.addEventListener("abort", this.#abort);
  }

  /** Milliseconds; at least 1, because 0 means something else to a broker. */
  get left(): number {
    return Math.max(1, Math.ceil(this.#until - performance.now()));
  }

  /** Ends it now; without effect when it is over. */
  end(reason: unknown): void {
    this.#over.reject(reason);
  }

  /** What the work gives, unless the time is over before. */
  race<T>(work: Promise<T>): Promise<T> {
    return Promise.race([this.#over.promise, work]);
  }

  /** Resolves after so many milliseconds. */
  async sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
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
