import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { type Config, loadConfig } from "../config/load.ts";
import { migrate } from "../db/migrate.ts";
import { URGENT } from "../observability/line-sink.ts";
import { openLines } from "../observability/line-writer.ts";
import type { Log } from "../observability/log.ts";
import { createMetrics, type Metrics } from "../observability/metrics.ts";
import { flushSpans } from "../observability/tracing.ts";
import { createJwks, type JwkSet } from "../tokens/jwks.ts";
import { createWorker, type Worker } from "../worker.ts";
import { findOpenFiles, keyFiles } from "./doctor/files.ts";
import { configOption, findConfig, positiveInteger } from "./options.ts";
import { endNow } from "./serve/end-now.ts";
import { openOutlet } from "./serve/outlet.ts";
import { type HangUps, holdHangUps, reloadOnHangUp } from "./serve/reload.ts";
import { awaitSignal, type StopWish } from "./serve/signals.ts";
import { findSupervisor, type SupervisorLink } from "./serve/supervised.ts";
import { Supervisor } from "./serve/supervisor.ts";

const MAX_PROCESSES = 128;

interface ServeOptions {
  readonly config?: string;
  readonly migrate?: true;
  readonly processes: number;
}

/** `authmq serve`. */
export function serveCommand(): Command {
  return new Command("serve")
    .description("run a worker until SIGTERM or SIGINT")
    .addOption(configOption())
    .option("--migrate", "bring the database to the current schema first")
    .option(
      "--processes <number>",
      "run so many workers, each a process, and supervise them",
      processCount,
      1,
    )
    .addHelpText(
      "after",
      `
Prints "ready" on stderr when all queues are consumed. On SIGTERM or SIGINT it takes no more requests, finishes
what it has, and exits with 0; a second signal ends it at once. On SIGHUP it takes over the token keys and the log level
that are in the configuration by then ("authmq keys rotate"). With --processes the same holds for all of them
together, and one that ends unexpectedly is replaced: one for each processor makes use of the whole host.

Examples:
  $ authmq serve
  $ authmq serve --config /etc/authmq/config.json --migrate
  $ authmq serve --processes 4
  $ AUTHMQ__AMQP_SETTINGS__PASSWORD_FILE=/run/secrets/amqp authmq serve`,
    )
    .action(async (options: ServeOptions) => serve(options));
}

function processCount(text: string): number {
  const count = positiveInteger(text);
  if (count > MAX_PROCESSES) throw new InvalidArgumentError(`It must be at most ${MAX_PROCESSES}.`);
  return count;
}

async function serve(options: ServeOptions): Promise<void> {
  const hangUps = holdHangUps(); // before the keys are read: a rotation from now on is not missed
  const file = findConfig(options.config);
  const config = loadConfig(file, { keys: true });
  const metrics = createMetrics();
  const lines = await openLines(config.log, () => metrics.count("log_lines_dropped_total"));
  const outlet = openOutlet(config, lines, metrics);
  process.on("exit", (code) => {
    if (lines.isHanging) endNow(code);
  });
  process.on("uncaughtException", (error) => {
    outlet.log.fatal({ err: error }, "a fault nobody caught");
    process.exit(1);
  });
  // Whoever waits for this line finds it on stderr also when the log goes elsewhere or its level is above info.
  const isSeen = config.log.handler === "stderr" && outlet.log.isLevelEnabled("info");
  const announce = (): void => {
    outlet.log.info("ready");
    if (!isSeen) lines.stderr.write("ready\n", URGENT);
  };
  try {
    await serveLogging({ hangUps, file, config, options, metrics, log: outlet.log, announce });
  } finally {
    await Promise.all([outlet.close(), flushSpans()]);
  }
}

interface Serving {
  readonly hangUps: HangUps;
  readonly file: string | undefined;
  readonly config: Config;
  readonly options: ServeOptions;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Says that the worker is ready. */
  readonly announce: () => void;
}

async function serveLogging({
  hangUps,
  file,
  config,
  options,
  metrics,
  log,
  announce,
}: Serving): Promise<void> {
  const reloading = { hangUps, file, config, log };
  const supervisor = findSupervisor();
  if (supervisor !== undefined) return serveUnder(supervisor, reloading, metrics);
  if (options.migrate === true) {
    const applied = await migrate(config.db);
    log.info({ applied }, "the database is at the current schema");
  }
  const { processes } = options;
  if (processes === 1) {
    const worker = await createWorker(config, log, metrics);
    warnOfOpenFiles(file, config, log);
    const signalled = awaitSignal(log, () => process.exit(130));
    reloadOnHangUp({ ...reloading, useKeys: worker.useKeys, onTerminalClosed: signalled.raise });
    return untilSignalled(worker, signalled, announce);
  }
  warnOfOpenFiles(file, config, log);
  const args = ["serve", ...(file === undefined ? [] : ["--config", file])];
  const group = new Supervisor({ processes, args, health: config.health, jwks: await jwksOf(config), log });
  const signalled = awaitSignal(log, () => {
    group.kill();
    process.exit(130);
  });
  const useKeys = async (next: Config): Promise<void> => group.useKeys(await jwksOf(next));
  reloadOnHangUp({ ...reloading, useKeys, onTerminalClosed: signalled.raise });
  return untilSignalled(group, signalled, announce);
}

/** As one process of several: the supervisor has the port, says when all are ready, and ends what does not stop. */
async function serveUnder(
  supervisor: SupervisorLink,
  reloading: Omit<Parameters<typeof reloadOnHangUp>[0], "useKeys" | "onTerminalClosed">,
  metrics: Metrics,
): Promise<void> {
  const { config, log } = reloading;
  // Several may tell it to stop, its supervisor and whoever stops all processes of a service: that is no second wish.
  const signalled = awaitSignal(log, () => undefined);
  supervisor.onGone(() => {
    if (!signalled.happened) log.warn("the supervisor is gone, stopping");
    signalled.raise();
  });
  const worker = await createWorker({ ...config, health: undefined }, log, metrics);
  reloadOnHangUp({ ...reloading, useKeys: worker.useKeys, onTerminalClosed: signalled.raise });
  if (config.health !== undefined) worker.metrics.includeProcess();
  supervisor.answerFor(worker, log);
  await untilSignalled(worker, signalled, () => supervisor.tellReady());
}

async function jwksOf({ signing }: Config): Promise<() => JwkSet> {
  return signing === undefined ? () => ({ keys: [] }) : createJwks(signing);
}

async function untilSignalled(
  service: Pick<Worker, "start" | "stop">,
  signalled: StopWish,
  onReady: () => void,
): Promise<void> {
  const started = service.start().then(onReady, (error: unknown) => {
    if (!signalled.happened) throw error;
  });
  try {
    await Promise.race([signalled.promise, started.then(() => signalled.promise)]);
  } finally {
    await service.stop();
  }
}

/** Files whose readers could act as this installation, or for any of its users. */
function warnOfOpenFiles(file: string | undefined, { kerberos, origins }: Config, log: Log): void {
  const files = [...(file === undefined ? [] : [resolve(file)]), ...keyFiles(file, origins)];
  if (kerberos !== undefined) files.push(kerberos.keytab);
  for (const open of findOpenFiles(files))
    log.warn(open, "a file with secrets is open to others than its owner");
}
