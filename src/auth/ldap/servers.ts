import type { DirectoryServer } from "../../config/directory.ts";
import { AppError } from "../../errors.ts";
import type { Log } from "../../observability/log.ts";
import { Unreachable } from "./connection.ts";

/** The pause after a server failed, in milliseconds; it doubles with each further failure. */
const FIRST_PAUSE = 1000;
const MAX_PAUSE = 30_000;

interface State {
  readonly server: DirectoryServer;
  failures: number;
  failedAt: number;
  fault: Unreachable | undefined;
  /** Whether a request is testing right now if the server answers again. */
  probed: boolean;
}

/** The configured directory servers in order, without those that failed recently. */
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

  /** The errors of the servers, if the last request to each of them failed. */
  get fault(): string | undefined {
    return this.#states.every(({ failures }) => failures > 0) ? this.#faults() : undefined;
  }

  /** Runs `work` on the first usable server; throws UNAVAILABLE if there is none. */
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
    // If all have failed, retry more often: one login at a time tests the server with the oldest failure.
    const [oldest] = this.#states
      .filter(({ probed, failedAt }) => !probed && now - failedAt >= FIRST_PAUSE)
      .sort((a, b) => a.failedAt - b.failedAt);
    return oldest === undefined ? [] : [oldest];
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
      // Concurrent requests that fail together count as one failure.
      if (!(error instanceof Unreachable)) throw error;
      state.fault = error;
      // A server that answered on this connection works: a request about one user must not disable it for all.
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
