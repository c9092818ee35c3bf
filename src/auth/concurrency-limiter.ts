import { RequestCancelled } from "../errors.ts";

/** Whether the caller no longer needs the result of work that has waited for so many milliseconds. */
export type CancellationCheck = (waited: number) => boolean | Promise<boolean>;

/** Runs at most so many tasks at once and the rest in order of arrival. */
export interface ConcurrencyLimiter {
  /** The task's result; throws RequestCancelled without running the task if it was cancelled while it waited. */
  run<T>(isCancelled: CancellationCheck, task: () => Promise<T>): Promise<T>;
}

/** For tasks that depend on another server, which may hang. */
export interface StallTimeout {
  /** If no task begins or ends for so many milliseconds, all waiting tasks are rejected. */
  readonly limit: number;
  /** The error of rejected tasks. */
  readonly giveUp: () => Error;
}

interface Waiter {
  readonly proceed: () => void;
  readonly reject: (error: Error) => void;
}

/** A limiter for `width` tasks at once; `onTurn` gets the seconds that each task waited. */
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
    // The place goes to the next task without becoming free in between: a newcomer cannot overtake.
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
