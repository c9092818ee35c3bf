import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../observability/log.ts";
import { ExitError } from "../exit.ts";
import type { End, WorkerProcess } from "./worker-process.ts";

const FIRST_DELAY = 200;
const MAX_DELAY = 10_000;

/** A process that lived so long does not count as failed when another one is started, in milliseconds. */
const SETTLED = 10_000;

interface KeeperOptions {
  readonly start: () => WorkerProcess;
  /** Whether a process that fails is to end all of them instead of being replaced. */
  readonly isFirst: () => boolean;
  /** Aborts when no process is to be started any more. */
  readonly stopping: AbortSignal;
  readonly log: Log;
}

/** Keeps one process running: another one takes the place of one that ends, after a delay that grows. */
export class Keeper {
  readonly #options: KeeperOptions;
  #process: WorkerProcess | undefined;
  #wasStarted = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Undefined before the start, between two processes, and after the end. */
  get process(): WorkerProcess | undefined {
    return this.#process;
  }

  /** Why there is no process, where there is none. */
  get absence(): string {
    return this.#wasStarted
      ? "it has ended and is started again"
      : "it is started when the first one is ready";
  }

  /** Resolves when the last process is gone; rejects with its exit code when one fails that is not replaced. */
  async run(): Promise<void> {
    const { isFirst, stopping, log } = this.#options;
    for (let failures = 0; !stopping.aborted; failures++) {
      const since = performance.now();
      const { pid, code, signal, error } = await this.#runOnce();
      if (isAborted(stopping)) return;
      // It has told why on stderr, and the next one would tell the same.
      if (isFirst() && code !== null && code !== 0) throw new ExitError(code);
      if (performance.now() - since >= SETTLED) failures = 0;
      const delay = Math.min(MAX_DELAY, FIRST_DELAY * 2 ** failures);
      const how = signal === null ? { code } : { signal };
      log.warn(
        { process: pid, ...how, ...(error === undefined ? {} : { err: error }), delay_ms: delay },
        "a process has ended unexpectedly, another one is started",
      );
      await sleep(delay, undefined, { signal: stopping }).catch(() => undefined);
    }
  }

  async #runOnce(): Promise<End & { readonly pid: number | undefined }> {
    this.#wasStarted = true;
    try {
      this.#process = this.#options.start();
      return { pid: this.#process.pid, ...(await this.#process.ended) };
    } catch (error) {
      // For want of memory, say: later there may be enough.
      return { pid: undefined, code: null, signal: null, error };
    } finally {
      this.#process = undefined;
    }
  }
}

/** Asked anew: what was false before a wait need not be so after it. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
