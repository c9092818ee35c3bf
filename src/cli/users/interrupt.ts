/** Lets a long command stop gracefully at the first Ctrl-C. */
export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/** Exit code of an interrupted command: 128 + SIGINT. */
export const EXIT_INTERRUPTED = 130;

/** Aborts at the first SIGINT or SIGTERM; a second one ends the process immediately. */
export function awaitInterrupt(): Interrupt {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
    controller.abort();
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.on(signal, onSignal);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
