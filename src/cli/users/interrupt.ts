/** The wish of whoever sits at the terminal that a long command ends. */
export interface Interrupt extends Disposable {
  readonly happened: boolean;
}

/** So ends what a second signal ends at once. */
export const EXIT_INTERRUPTED = 130;

/** Waits for SIGINT or SIGTERM and calls `stop` once; a second signal ends the process at once. */
export function awaitInterrupt(stop: () => void): Interrupt {
  let happened = false;
  const onSignal = (): void => {
    if (happened) process.exit(EXIT_INTERRUPTED);
    happened = true;
    stop();
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.on(signal, onSignal);
  return {
    get happened() {
      return happened;
    },
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
