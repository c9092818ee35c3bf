import type { DirectoryServer } from "../../config/directory.ts";
import { AppError } from "../../errors.ts";
import type { Log } from "../../observability/log.ts";
import { Unreachable } from "./connection.ts";

/** A server that failed is left alone for so long, in milliseconds, twice as long after each further failure. */
const FIRST_PAUSE = 1000;
const MAX_PAUSE = 30_000;

interface State {
  readonly server: DirectoryServer;
  failures: number;
  failedAt: number;
  fault: Unreachable | undefined;
  /** Somebody finds out right now whether it answers again. */
  probed: boolean;
}

/** The directory servers in the order of the configuration, less those that are known to be dead. */
export class Servers {
  readonly #states: readonly State[];
  readonly #log: Log;

  constructor(servers: readonly DirectoryServer[], log: Log) {
    this.#states = servers.map((server) => ({
      server,
      failures: 0,
      failedAt: 0,
      fault: undefined,
      probed: false,
    }));
    this.#log = log;
  }

  /** What is wrong with the servers, where none of them answered when it was asked last. */
  get fault(): string | undefined {
    return this.#states.every(({ failures }) => failures > 0) ? this.#faults() : undefined;
  }

  /** What `work` gives on the first server that can be used; throws UNAVAILABLE when none can. */
  async first<T>(work: (server: DirectoryServer) => Promise<T>): Promise<T> {
    for (const state of this.#candidates()) {
      try {
        return await this.#on(state, work);
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
      }
    }
    const cause = this.#states.find(({ fault }) => fault !== undefined)?.fault;
    throw new AppError("UNAVAILABLE", `directory: ${this.#faults()}`, { cause });
  }

  #faults(): string {
    return this.#states.flatMap(({ fault }) => fault?.message ?? []).join("; ");
  }

  #candidates(): State[] {
    const now = performance.now();
    const pauseOf = ({ failures }: State): number => Math.min(MAX_PAUSE, FIRST_PAUSE * 2 ** (failures - 1));
    const usable = this.#states.filter(
      (state) => state.failures === 0 || (!state.probed && now - state.failedAt >= pauseOf(state)),
    );
    if (usable.length > 0) return usable;
    // All are dead, so nothing is lost by looking more often: one login after another tries the one that rested longest.
    const [rested] = this.#states
      .filter(({ probed, failedAt }) => !probed && now - failedAt >= FIRST_PAUSE)
      .sort((a, b) => a.failedAt - b.failedAt);
    return rested === undefined ? [] : [rested];
  }

  async #on<T>(state: State, work: (server: DirectoryServer) => Promise<T>): Promise<T> {
    const { failures } = state;
    const probes = failures > 0;
    if (probes) state.probed = true;
    try {
      const result = await work(state.server);
      if (state.failures > 0)
        this.#log.info({ server: state.server.url }, "the directory server answers again");
      state.failures = 0;
      return result;
    } catch (error) {
      // Several that were under way together fail together: that is one failure.
      if (!(error instanceof Unreachable)) throw error;
      state.fault = error;
      // A server that answered on this connection is not dead: a question of one user must not take it away from all.
      if (!error.answered && state.failures === failures) {
        state.failures++;
        state.failedAt = performance.now();
        if (failures === 0)
          this.#log.warn({ server: state.server.url, err: error }, "cannot reach a directory server");
      }
      throw error;
    } finally {
      if (probes) state.probed = false;
    }
  }
}
