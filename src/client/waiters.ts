import type { Limit } from "./limit.ts";
import { type Deferred, deferred } from "../wire/deferred.ts";

/**
 * Lets several callers wait for one result, each within its own limit. A caller that times out is released at once; a
 * shared promise would keep its reaction in memory until it settles.
 */
export class Waiters<T> {
  readonly #all = new Set<Deferred<T>>();

  /** Waits until `resolve` or `reject` is called, or the limit ends. */
  async wait(limit: Limit): Promise<T> {
    const one = deferred<T>();
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
