import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../../config/load.ts";
import { HealthServer } from "../../observability/health.ts";
import type { Log } from "../../observability/log.ts";
import type { JwkSet } from "../../tokens/jwks.ts";
import { Keeper } from "./keeper.ts";
import { metricsOf, readinessOf } from "./overview.ts";
import { supervisedEnvironment } from "./supervised.ts";
import { WorkerProcess } from "./worker-process.ts";

/** A worker stops within some fourteen seconds; one that takes longer than this hangs, in milliseconds. */
const PATIENCE = 20_000;

interface SupervisorOptions {
  readonly processes: number;
  /** The command line of each process. */
  readonly args: readonly string[];
  readonly health: Config["health"];
  /** The installation's public keys. */
  readonly jwks: () => JwkSet;
  readonly log: Log;
}

/** Several processes with a worker each. They stop by themselves when the process that supervises them is gone. */
export class Supervisor {
  readonly #log: Log;
  readonly #keepers: readonly Keeper[];
  readonly #health: HealthServer | undefined;
  readonly #stopping = new AbortController();
  readonly #oneReady = Promise.withResolvers<void>();
  readonly #allReady = Promise.withResolvers<void>();
  readonly #runs: Promise<void>[] = [];
  #jwks: () => JwkSet;
  #wasReady = false;
  #stopped: Promise<void> | undefined;

  constructor({ processes, args, health, jwks, log }: SupervisorOptions) {
    this.#log = log;
    this.#jwks = jwks;
    const env = supervisedEnvironment(processes);
    const { signal: stopping } = this.#stopping;
    this.#keepers = Array.from({ length: processes }, () => {
      const start = (): WorkerProcess => {
        const published = this.#jwks;
        const process = new WorkerProcess(args, env, () => {
          // The keys may have changed after it had read them, and before it could be told so.
          if (this.#jwks !== published) process.kill("SIGHUP");
          this.#noteReady();
        });
        return process;
      };
      return new Keeper({ start, isFirst: () => !this.#wasReady, stopping, log });
    });
    const metrics = metricsOf(this.#keepers);
    this.#health =
      health &&
      new HealthServer(health, {
        readiness: () => this.#readiness(),
        jwks: () => this.#jwks(),
        metrics,
        log,
      });
  }

  /** Resolves when all processes take requests at once; rejects with an exit code when the first one fails. */
  async start(): Promise<void> {
    await this.#health?.start();
    const [first, ...others] = this.#keepers;
    // What is wrong with the installation is wrong with all processes, and one that says so is enough.
    if (first !== undefined) await Promise.race([this.#oneReady.promise, this.#run(first)]);
    for (const keeper of others) void this.#run(keeper);
    await this.#allReady.promise;
  }

  /** Has all processes stop as by SIGTERM and waits for them; closes the port last. May be called twice. */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  /** Publishes other keys, and has all processes read theirs again. */
  useKeys(jwks: () => JwkSet): void {
    this.#jwks = jwks;
    for (const { process } of this.#keepers) if (process?.isReady === true) process.kill("SIGHUP");
  }

  /** Ends all processes at once. */
  kill(): void {
    this.#stopping.abort();
    for (const { process } of this.#keepers) process?.kill("SIGKILL");
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    for (const { process } of this.#keepers) process?.kill("SIGTERM");
    const late = new AbortController();
    const overdue = sleep(PATIENCE, undefined, { signal: late.signal }).then(
      () => {
        this.#log.error("processes do not stop and are ended");
        this.kill();
      },
      () => undefined,
    );
    await Promise.allSettled(this.#runs);
    late.abort();
    await overdue;
    await this.#health?.stop();
    this.#log.info("stopped");
  }

  #run(keeper: Keeper): Promise<void> {
    const run = keeper.run();
    this.#runs.push(run);
    return run;
  }

  #noteReady(): void {
    if (this.#stopping.signal.aborted) return;
    this.#wasReady = true;
    this.#oneReady.resolve();
    if (this.#keepers.every(({ process }) => process?.isReady === true)) this.#allReady.resolve();
  }

  async #readiness(): ReturnType<typeof readinessOf> {
    const overview = await readinessOf(this.#keepers);
    if (!this.#stopping.signal.aborted) return overview;
    const { processes } = overview;
    return { status: "stopping", reason: "the worker stops", dependencies: {}, processes };
  }
}
