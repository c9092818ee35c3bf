import { once } from "node:events";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createPasswords } from "../../src/auth/password.ts";
import { type Config, parseConfig } from "../../src/config/load.ts";
import { SECTIONS } from "../../src/config/schema.ts";
import { migrate } from "../../src/db/migrate.ts";
import { databasePid } from "../support/database.ts";
import { rabbitMqPid } from "../support/rabbitmq.ts";
import { type DatabaseKind, provision } from "../support/worker.ts";
import type { CallersTask } from "./callers.ts";
import type { EchoOptions } from "./echo.ts";
import type { Load } from "./load.ts";
import { type Loop, startLoop } from "./loop.ts";
import { populate, type Population } from "./population.ts";
import { cpuOf } from "./processes.ts";
import { type BenchWorker, startServe } from "./serve.ts";

/** A measurement, with the CPU time of each request in microseconds if known. */
export interface Sample extends Load {
  readonly workload: string;
  readonly inFlight: number;
  readonly cpu: {
    readonly worker: number | undefined;
    readonly broker: number | undefined;
    readonly database: number | undefined;
  };
}

interface SetupOptions {
  readonly database?: DatabaseKind;
  readonly population: Omit<Population, "hash">;
  /** bcrypt cost of every user's password. */
  readonly cost?: number;
  /** Node options for the worker. */
  readonly node?: readonly string[];
  /** Whether the worker runs from the build. */
  readonly built?: boolean;
}

/** A vhost and a populated database with a worker, an echo process, and callers. */
export interface BenchSetup extends AsyncDisposable {
  readonly raw: Record<string, Record<string, unknown>>;
  readonly config: Config;
  /** URL of the vhost. */
  readonly url: string;
  readonly worker: BenchWorker;
  readonly callers: Loop<CallersTask>;
  /** Runs a task on the worker or the echo; `more` is another worker whose CPU time counts too. */
  call(workload: string, task: CallersTask, more?: BenchWorker): Promise<Sample>;
}

/** The queue of the bare echo. */
export const ECHO = "bench_echo";

/** Opens the setup. */
export async function openBenchSetup(options: SetupOptions): Promise<BenchSetup> {
  const { database = "mysql", population, cost = 12, node, built = false } = options;
  await using undo = new AsyncDisposableStack();
  const { raw, vhost, cleanUp } = await provision({
    database,
    config: { app_config: { bcrypt_cost: cost }, log_settings: { level: "info" } },
  });
  undo.defer(cleanUp);
  const config = parseConfig(raw, { keys: true, env: {}, folder: "." });
  await migrate(config.db);
  const passwords = createPasswords(SECTIONS.app_config.parse({ bcrypt_cost: cost }));
  await populate(config, { ...population, hash: await passwords.hash("correct horse", () => false) });
  const worker = await startServe(raw, { built, ...(node && { node }) });
  undo.defer(() => worker.stop());
  const echo = await startEcho({ url: vhost.url, queue: ECHO, prefetch: config.amqp.prefetch });
  undo.defer(() => echo.stop());
  const callers = undo.use(startLoop<CallersTask>("./callers.ts", { url: vhost.url }));
  const owned = undo.move();
  return {
    raw,
    config,
    url: vhost.url,
    worker,
    callers,
    call(workload, task, more) {
      const workers = more === undefined ? [worker.pid] : [worker.pid, more.pid];
      const pids = workload === "echo" ? [echo.pid] : workers;
      return sample(workload, task.inFlight, pids, () => callers.run(task));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Runs a measurement and adds the CPU time of each process. */
export async function sample(
  workload: string,
  inFlight: number,
  workers: readonly number[],
  run: () => Promise<Load>,
): Promise<Sample> {
  const used = (): (number | undefined)[] => [cpuOf(...workers), cpuOf(rabbitMqPid), cpuOf(databasePid)];
  const before = used();
  const load = await run();
  const after = used();
  const [own, broker, database] = after.map((seconds, index) => {
    const since = before[index];
    return seconds === undefined || since === undefined ? undefined : ((seconds - since) * 1e6) / load.count;
  });
  return { ...load, workload, inFlight, cpu: { worker: own, broker, database } };
}

async function startEcho(options: EchoOptions): Promise<{ pid: number; stop(): Promise<void> }> {
  const file = fileURLToPath(new URL("./echo.ts", import.meta.url));
  const child = spawn(process.execPath, [file, JSON.stringify(options)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return {
    pid: child.pid ?? 0,
    async stop() {
      const exited = once(child, "exit");
      child.stdin.end();
      await exited;
    },
  };
}
