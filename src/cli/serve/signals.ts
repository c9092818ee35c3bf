import type { Log } from "../../observability/log.ts";

/** A request to stop this process. */
export interface StopRequest {
  /** Resolves when the stop is requested. */
  readonly promise: Promise<void>;
  readonly happened: boolean;
  /** Requests the stop without a signal. */
  readonly raise: () => void;
}

/** Waits for the first SIGTERM or SIGINT; `again` is called at each further signal. */
export function awaitSignal(log: Log, again: () => void): StopRequest {
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
