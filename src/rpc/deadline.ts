import { AppError } from "../errors.ts";

/** The deadline of a request. */
export interface Deadline {
  readonly isOver: boolean;
  /** The remaining time, in milliseconds. */
  readonly left: number;
  /** Call before a commit; throws UNAVAILABLE if the deadline has passed. */
  beginCommit(): void;
  /** Call after a commit: true if it succeeded, and then the deadline no longer applies. */
  endCommit(isDone: boolean): void;
}

/** Runs requests with a deadline. */
export interface Deadlines {
  /**
   * Returns the result of `work`, or throws UNAVAILABLE at the deadline; then none of its effects is committed. Waits
   * for a commit that has begun: only its result tells whether it happened.
   */
  run<T>(work: (deadline: Deadline) => Promise<T>): Promise<T>;
}

/** Creates deadlines of `limit` milliseconds. */
export function createDeadlines(limit: number): Deadlines {
  /** Sorted by end. One timer for all: a timer each would cost more than the rest of a deadline. */
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
          // Clear the timer, so that an idle process can exit.
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
