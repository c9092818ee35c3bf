import { Abandoned } from "../errors.ts";

/** Says whether somebody still waits for the answer, for work that has stood in a lane for so many milliseconds. */
export type StillWanted = (waited: number) => boolean | Promise<boolean>;

/** Runs at most so many tasks at once and the rest in order of arrival. */
export interface Lane {
  /** The task's result; throws Abandoned, without running it, when nobody wants it any more at its turn. */
  run<T>(stillWanted: StillWanted, task: () => Promise<T>): Promise<T>;
}

/** For a lane whose tasks wait for something else, which may hang. */
export interface Patience {
  /** When no task began or ended for so many milliseconds, those that wait are given up, and so are newcomers. */
  readonly limit: number;
  /** What they reject with. */
  readonly giveUp: () => Error;
}

interface Waiter {
  readonly proceed: () => void;
  readonly reject: (error: Error) => void;
}

/** An empty lane for `width` tasks at once; `onTurn` is told how many seconds each task waited. */
export function createLane(width: number, patience?: Patience, onTurn?: (seconds: number) => void): Lane {
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
  const watchOver = ({ limit, giveUp }: Patience): void => {
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
    if (patience !== undefined) watchOver(patience);
    await promise;
  };
  return {
    async run(stillWanted, task) {
      const since = performance.now();
      await enter();
      try {
        const waited = performance.now() - since;
        onTurn?.(waited / 1000);
        if (!(await stillWanted(waited))) throw new Abandoned();
        return await task();
      } finally {
        leave();
      }
    },
  };
}
