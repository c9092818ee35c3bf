import { once } from "node:events";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createPasswords } from "../../src/auth/password.ts";
import { type Config, parseConfig } from "../../src/config/load.ts";
import { SECTIONS } from "../../src/config/schema.ts";
import { migrate } from "../../src/db/migrate.ts";
import { mariaDbPid } from "../support/mariadb.ts";
import { rabbitMqPid } from "../support/rabbitmq.ts";
import { type DatabaseKind, provision } from "../support/worker.ts";
import type { CallersQuestion } from "./callers.ts";
import type { EchoOptions } from "./echo.ts";
import type { Load } from "./load.ts";
import { type Loop, startLoop } from "./loop.ts";
import { populate, type Population } from "./population.ts";
import { cpuOf } from "./processes.ts";
import { type BenchWorker, startServe } from "./serve.ts";

/** What was measured, with the processor time of each request in microseconds, where that can be told. */
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
  /** Of every user's password. */
  readonly cost?: number;
  /** Options of Node's, for the worker. */
  readonly node?: readonly string[];
  /** Whether the worker is the built one. */
  readonly built?: boolean;
}

/** A vhost and a populated database of their own with a worker on them, an echo beside it, and callers of both. */
export interface BenchSetup extends AsyncDisposable {
  readonly raw: Record<string, Record<string, unknown>>;
  readonly config: Config;
  /** The vhost's address. */
  readonly url: string;
  readonly worker: BenchWorker;
  readonly callers: Loop<CallersQuestion>;
  /** Calls the worker or the echo for a time; `more` is another worker whose processor time counts as well. */
  call(workload: string, question: CallersQuestion, more?: BenchWorker): Promise<Sample>;
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
  const callers = undo.use(startLoop<CallersQuestion>("./callers.ts", { url: vhost.url }));
  const owned = undo.move();
  return {
    raw,
    config,
    url: vhost.url,
    worker,
    callers,
    call(workload, question, more) {
      const workers = more === undefined ? [worker.pid] : [worker.pid, more.pid];
      const pids = workload === "echo" ? [echo.pid] : workers;
      return sample(workload, question.inFlight, pids, () => callers.run(question));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Measures and accounts for it. */
export async function sample(
  workload: string,
  inFlight: number,
  workers: readonly number[],
  run: () => Promise<Load>,
): Promise<Sample> {
  const used = (): (number | undefined)[] => [cpuOf(...workers), cpuOf(rabbitMqPid), cpuOf(mariaDbPid)];
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
      const gone = once(child, "exit");
      child.stdin.end();
      await gone;
    },
  };
}
