import { AppError } from "../errors.ts";

/** The time that a request has. */
export interface Deadline {
  readonly isOver: boolean;
  /** What is left of it, in milliseconds. */
  readonly left: number;
  /** To be called before an effect becomes real; throws UNAVAILABLE when it is too late for one. */
  beginCommit(): void;
  /** The effect is real, and its answer is waited for from now on; or it is not. */
  endCommit(isDone: boolean): void;
}

/** Gives requests a time that is the same for all of them. */
export interface Deadlines {
  /**
   * The result of `work`, or UNAVAILABLE when its time is over, and then none of its effects will become real. While the
   * database commits, it is waited for: only its answer tells which of the two happened.
   */
  run<T>(work: (deadline: Deadline) => Promise<T>): Promise<T>;
}

/** Deadlines of so many milliseconds. */
export function createDeadlines(limit: number): Deadlines {
  /** In the order of their ends; one timer serves all: one for each costs more than the rest of a deadline. */
  const running = new Set<RunningDeadline>();
  let timer: NodeJS.Timeout | undefined;
  const expire = (): void => {
    timer = undefined;
    for (const deadline of running) {
      const { left } = deadline;
      if (left > 0) {
        timer = setTimeout(expire, left);
        return;
      }
      running.delete(deadline);
      deadline.expire();
    }
  };
  return {
    run<T>(work: (deadline: Deadline) => Promise<T>): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        const deadline = new RunningDeadline(limit, reject);
        running.add(deadline);
        timer ??= setTimeout(expire, limit);
        const leave = (): void => {
          running.delete(deadline);
          // Nothing is left to wait for: a process that has nothing else to do may end.
          if (running.size > 0) return;
          clearTimeout(timer);
          timer = undefined;
        };
        work(deadline).finally(leave).then(resolve, reject);
      });
    },
  };
}

class RunningDeadline implements Deadline {
  readonly #limit: number;
  readonly #end: number;
  readonly #reject: (error: Error) => void;
  #isOver = false;
  #isDone = false;
  #commits = 0;

  constructor(limit: number, reject: (error: Error) => void) {
    this.#limit = limit;
    this.#end = performance.now() + limit;
    this.#reject = reject;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get left(): number {
    return Math.max(0, this.#end - performance.now());
  }

  expire(): void {
    if (this.#isDone) return;
    this.#isOver = true;
    if (this.#commits === 0) this.#reject(this.#tooLate());
  }

  beginCommit(): void {
    if (this.#isOver) throw this.#tooLate();
    this.#commits++;
  }

  endCommit(isDone: boolean): void {
    this.#commits--;
    if (isDone) this.#isDone = true;
  }

  #tooLate(): AppError {
    return new AppError("UNAVAILABLE", `no answer within ${this.#limit} ms`);
  }
}
