/** Ends a long command at the first Ctrl-C, in order. */
export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/** So ends what a second signal ends at once. */
export const EXIT_INTERRUPTED = 130;

/** Aborts at the first SIGINT or SIGTERM; a second one ends the process at once. */
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
