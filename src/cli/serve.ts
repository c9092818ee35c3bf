import { resolve } from "node:path";
import { Command, Option } from "commander";
import { type Config, loadConfig } from "../config/load.ts";
import { migrate } from "../db/migrate.ts";
import { URGENT } from "../observability/line-sink.ts";
import { openLines } from "../observability/line-writer.ts";
import type { Log } from "../observability/log.ts";
import { createMetrics } from "../observability/metrics.ts";
import { flushSpans } from "../observability/tracing.ts";
import { createWorker, type Worker } from "../worker.ts";
import { findOpenFiles, keyFiles } from "./doctor/files.ts";
import { ExitError } from "./exit.ts";
import { configOption, findConfig } from "./options.ts";
import { endNow } from "./serve/end-now.ts";
import { setUpLog } from "./serve/log-setup.ts";
import { holdSighups, reloadOnSighup } from "./serve/reload.ts";
import { awaitSignal, type StopRequest } from "./serve/signals.ts";

/** The error for an option of earlier versions: service files may still use it. */
const USE_REPLICAS =
  "--processes was removed: start replicas of authmq serve with a process manager: a systemd template unit " +
  "(docs/systemd/authmq@.service), docker compose up --scale worker=N, or replicas of a Kubernetes Deployment";

interface ServeOptions {
  readonly config?: string;
  readonly migrate?: true;
  readonly processes?: string | true;
}

/** `authmq serve`. */
export function serveCommand(): Command {
  return new Command("serve")
    .description("run a worker until SIGTERM or SIGINT")
    .addOption(configOption())
    .option("--migrate", "migrate the database before the start")
    .addOption(new Option("--processes [number]").hideHelp())
    .addHelpText(
      "after",
      `
Prints "ready" on stderr when it consumes all queues. On SIGTERM or SIGINT, it accepts no more requests, finishes those
in progress and exits with 0; a second signal stops it immediately. On SIGHUP, it reloads the keys and the log level
from the configuration ("authmq keys rotate"). Use a process manager to start one worker for each processor.

Examples:
  $ authmq serve
  $ authmq serve --config /etc/authmq/config.json --migrate
  $ AUTHMQ__AMQP_SETTINGS__PASSWORD_FILE=/run/secrets/amqp authmq serve`,
    )
    .action(async (options: ServeOptions) => serve(options));
}

async function serve(options: ServeOptions): Promise<void> {
  if (options.processes !== undefined) throw new ExitError(2, USE_REPLICAS);
  const onSighup = holdSighups(); // before reading the keys, so that no later rotation is missed
  const file = findConfig(options.config);
  const config = loadConfig(file, { keys: true });
  const metrics = createMetrics();
  const lines = await openLines(config.log, () => metrics.count("log_lines_dropped_total"));
  const { log, close } = setUpLog(config, lines, metrics);
  process.on("exit", (code) => {
    if (lines.isHanging) endNow(code);
  });
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "uncaught error");
    process.exit(1);
  });
  try {
    if (options.migrate === true) {
      const { applied } = await migrate(config.db);
      log.info({ applied }, "the database schema is current");
    }
    const readKeys = (): Config["encryption"] => loadConfig(file, { keys: true }).encryption;
    const worker = await createWorker(config, log, metrics, readKeys);
    warnOfOpenFiles(file, config, log);
    const signalled = awaitSignal(log, () => process.exit(130));
    const { useKeys } = worker;
    reloadOnSighup({ onSighup, file, config, log, useKeys, onTerminalClosed: signalled.raise });
    await untilSignalled(worker, signalled, () => {
      // Process managers wait for this line on stderr, even if the log goes elsewhere or its level is above info.
      const isOnStderr = config.log.handler === "stderr" && log.isLevelEnabled("info");
      log.info("ready");
      if (!isOnStderr) lines.stderr.write("ready\n", URGENT);
    });
  } finally {
    await Promise.all([close(), flushSpans()]);
  }
}

async function untilSignalled(worker: Worker, signalled: StopRequest, onReady: () => void): Promise<void> {
  const started = worker.start().then(onReady, (error: unknown) => {
    if (!signalled.happened) throw error;
  });
  try {
    await Promise.race([signalled.promise, started.then(() => signalled.promise)]);
  } finally {
    await worker.stop();
  }
}

/** Warns of files with secrets that other users can read: they could issue tokens or act as the worker. */
function warnOfOpenFiles(file: string | undefined, { kerberos, origins }: Config, log: Log): void {
  const files = [...(file === undefined ? [] : [resolve(file)]), ...keyFiles(file, origins)];
  if (kerberos !== undefined) files.push(kerberos.keytab);
  for (const open of findOpenFiles(files)) log.warn(open, "a file with secrets is readable by other users");
}
