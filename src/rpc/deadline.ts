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

/**
 * The result of `work`, or UNAVAILABLE after `limit` milliseconds, and then none of its effects will become real. While
 * the database commits, it is waited for: only its answer tells which of the two happened.
 */
export async function withDeadline<T>(limit: number, work: (deadline: Deadline) => Promise<T>): Promise<T> {
  const end = performance.now() + limit;
  const tooLate = (): AppError => new AppError("UNAVAILABLE", `no answer within ${limit} ms`);
  const { promise: late, reject } = Promise.withResolvers<never>();
  let isOver = false;
  let commits = 0;
  const timer = setTimeout(() => {
    isOver = true;
    if (commits === 0) reject(tooLate());
  }, limit);
  const deadline: Deadline = {
    get isOver() {
      return isOver;
    },
    get left() {
      return Math.max(0, end - performance.now());
    },
    beginCommit() {
      if (isOver) throw tooLate();
      commits++;
    },
    endCommit(isDone) {
      commits--;
      if (isDone) clearTimeout(timer);
    },
  };
  try {
    return await Promise.race([work(deadline), late]);
  } finally {
    clearTimeout(timer);
  }
}
