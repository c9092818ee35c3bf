import type { Log } from "../../observability/log.ts";

/** The wish that this process stops. */
export interface StopWish {
  /** Resolves when it is there. */
  readonly promise: Promise<void>;
  readonly happened: boolean;
  /** Makes it there, whatever signals come. */
  readonly raise: () => void;
}

/** Waits for the first SIGTERM or SIGINT; `again` is called at each signal after the wish is there. */
export function awaitSignal(log: Log, again: () => void): StopWish {
  const { promise, resolve } = Promise.withResolvers<void>();
  let happened = false;
  const raise = (): void => {
    happened = true;
    resolve();
  };
  const onSignal = (signal: string): void => {
    if (happened) return again();
    log.info({ signal }, "stopping");
    raise();
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  return {
    promise,
    get happened() {
      return happened;
    },
    raise,
  };
}
