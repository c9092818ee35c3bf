import type { Limit } from "./limit.ts";

/**
 * Those who wait for the same thing, each within a limit of its own. Who gives up is forgotten at once: a promise that all
 * wait for would remember everybody until it is settled.
 */
export class Waiters<T> {
  readonly #all = new Set<PromiseWithResolvers<T>>();

  /** What everybody is given, or rejects with. */
  async wait(limit: Limit): Promise<T> {
    const one = Promise.withResolvers<T>();
    this.#all.add(one);
    try {
      return await limit.race(one.promise);
    } finally {
      this.#all.delete(one);
    }
  }

  resolve(value: T): void {
    for (const one of this.#all) one.resolve(value);
  }

  reject(reason: Error): void {
    for (const one of this.#all) one.reject(reason);
  }
}
