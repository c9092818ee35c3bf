import { RequestCancelled } from "../errors.ts";

/** Whether a task that has waited this many milliseconds is cancelled: its caller no longer needs the result. */
export type CancellationCheck = (waited: number) => boolean | Promise<boolean>;

/** Limits how many tasks run at once; the others wait in order of arrival. */
export interface ConcurrencyLimiter {
  /** Runs the task and returns its result; throws RequestCancelled instead if it was cancelled while it waited. */
  run<T>(isCancelled: CancellationCheck, task: () => Promise<T>): Promise<T>;
}

/** For tasks that depend on a server, which may hang. */
export interface StallTimeout {
  /** If no task starts or ends for this many milliseconds, all waiting tasks are rejected. */
  readonly limit: number;
  /** Creates the error of a rejected task. */
  readonly giveUp: () => Error;
}

interface Waiter {
  readonly proceed: () => void;
  readonly reject: (error: Error) => void;
}

/** Creates a limiter for `width` concurrent tasks; `onTurn` receives the seconds that each task waited. */
export function createConcurrencyLimiter(
  width: number,
  stallTimeout?: StallTimeout,
  onTurn?: (seconds: number) => void,
): ConcurrencyLimiter {
  let running = 0;
  let lastMove = 0;
  let watch: NodeJS.Timeout | undefined;
  const waiting: Waiter[] = [];

  const leave = (): void => {
    lastMove = performance.now();
    const next = waiting.shift();
    // Hand the slot directly to the next task, so that a new task cannot overtake it.
    if (next === undefined) running--;
    else next.proceed();
  };
  const watchOver = ({ limit, giveUp }: StallTimeout): void => {
    watch ??= setTimeout(
      () => {
        watch = undefined;
        if (performance.now() - lastMove >= limit) {
          for (const { reject } of waiting.splice(0)) reject(giveUp());
        } else if (waiting.length > 0) watchOver({ limit, giveUp });
      },
      Math.max(0, lastMove + limit - performance.now()),
    );
  };
  const enter = async (): Promise<void> => {
    if (running < width) {
      running++;
      lastMove = performance.now();
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    waiting.push({ proceed: () => resolve(undefined), reject });
    if (stallTimeout !== undefined) watchOver(stallTimeout);
    await promise;
  };
  return {
    async run(isCancelled, task) {
      const since = performance.now();
      await enter();
      try {
        const waited = performance.now() - since;
        onTurn?.(waited / 1000);
        if (await isCancelled(waited)) throw new RequestCancelled();
        return await task();
      } finally {
        leave();
      }
    },
  };
}
