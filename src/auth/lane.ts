import { Abandoned } from "../errors.ts";

/** Says whether somebody still waits for the answer, for work that has stood in a lane for so many milliseconds. */
export type StillWanted = (waited: number) => boolean | Promise<boolean>;

/** Runs at most so many tasks at once and the rest in order of arrival. */
export interface Lane {
  /** The task's result; throws Abandoned, without running it, when nobody wants it any more at its turn. */
  run<T>(stillWanted: StillWanted, task: () => Promise<T>): Promise<T>;
}

/** An empty lane for `width` tasks at once. */
export function createLane(width: number): Lane {
  let running = 0;
  const waiting: (() => void)[] = [];
  const leave = (): void => {
    const next = waiting.shift();
    // The place goes to the next task without becoming free in between: a newcomer cannot overtake.
    if (next === undefined) running--;
    else next();
  };
  const enter = async (): Promise<void> => {
    if (running < width) running++;
    else await new Promise<void>((resolve) => waiting.push(resolve));
  };
  return {
    async run(stillWanted, task) {
      const since = performance.now();
      await enter();
      try {
        if (!(await stillWanted(performance.now() - since))) throw new Abandoned();
        return await task();
      } finally {
        leave();
      }
    },
  };
}
