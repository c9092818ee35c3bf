import { setTimeout as sleep } from "node:timers/promises";

/** Lets requests run side by side, and now and then one of them by itself. */
export interface Gate {
  /** Runs beside others; waits while one runs alone. */
  beside<T>(work: () => Promise<T>): Promise<T>;
  /** Runs when nothing else does. Others are neither waited for nor kept waiting longer than the gate's patience. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

/** An open gate; `patience` in milliseconds. */
export function createGate(patience: number): Gate {
  let running = 0;
  let closed: Promise<undefined> | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  let onEmpty: (() => void) | undefined;
  const atMost = async (waiting: Promise<unknown>): Promise<void> => {
    const stopping = new AbortController();
    const pause = sleep(patience, undefined, { signal: stopping.signal }).catch(() => undefined);
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
    async beside(work) {
      while (closed !== undefined) await closed;
      running++;
      try {
        return await work();
      } finally {
        running--;
        if (running === 0) onEmpty?.();
      }
    },
    alone(work) {
      const result = turn.then(() => takeTurn(work));
      turn = result.catch(() => undefined);
      return result;
    },
  };
}
