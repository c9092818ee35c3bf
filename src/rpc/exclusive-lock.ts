import { setTimeout as sleep } from "node:timers/promises";

/** A lock that most requests share and some hold exclusively. */
export interface ExclusiveLock {
  /** Runs `work` together with others; waits while another runs exclusively. */
  runShared<T>(work: () => Promise<T>): Promise<T>;
  /** Runs `work` alone. It waits for running work, and blocks other work, for at most `maxWait` milliseconds each. */
  runExclusive<T>(work: () => Promise<T>): Promise<T>;
}

/** Creates a free lock; `maxWait` in milliseconds. */
export function createExclusiveLock(maxWait: number): ExclusiveLock {
  let running = 0;
  let closed: Promise<undefined> | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  let onEmpty: (() => void) | undefined;
  const atMost = async (waiting: Promise<unknown>): Promise<void> => {
    const stopping = new AbortController();
    const pause = sleep(maxWait, undefined, { signal: stopping.signal }).catch(() => undefined);
    await Promise.race([waiting, pause]);
    stopping.abort();
  };
  const takeTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    const { promise, resolve: open } = Promise.withResolvers<undefined>();
    closed = promise;
    if (running > 0) await atMost(new Promise<void>((resolve) => (onEmpty = resolve)));
    onEmpty = undefined;
    const result = work();
    await atMost(result.catch(() => undefined));
    closed = undefined;
    open(undefined);
    return result;
  };
  return {
    async runShared(work) {
      while (closed !== undefined) await closed;
      running++;
      try {
        return await work();
      } finally {
        running--;
        if (running === 0) onEmpty?.();
      }
    },
    runExclusive(work) {
      const result = turn.then(() => takeTurn(work));
      turn = result.catch(() => undefined);
      return result;
    },
  };
}
