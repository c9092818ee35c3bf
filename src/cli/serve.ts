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

/** What the option of earlier versions is answered with: a service file may still give it. */
const USE_REPLICAS =
  "--processes was removed: have a process manager start replicas of authmq serve, with a systemd template unit " +
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
    .option("--migrate", "bring the database to the current schema first")
    .addOption(new Option("--processes [number]").hideHelp())
    .addHelpText(
      "after",
      `
Prints "ready" on stderr when all queues are consumed. On SIGTERM or SIGINT it takes no more requests, finishes
what it has, and exits with 0; a second signal ends it at once. On SIGHUP it takes over the token keys and the log level
that are in the configuration by then ("authmq keys rotate"). Have a process manager start one for each processor.

Examples:
  $ authmq serve
  $ authmq serve --config /etc/authmq/config.json --migrate
  $ AUTHMQ__AMQP_SETTINGS__PASSWORD_FILE=/run/secrets/amqp authmq serve`,
    )
    .action(async (options: ServeOptions) => serve(options));
}

async function serve(options: ServeOptions): Promise<void> {
  if (options.processes !== undefined) throw new ExitError(2, USE_REPLICAS);
  const onSighup = holdSighups(); // before the keys are read: a rotation from now on is not missed
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
      const applied = await migrate(config.db);
      log.info({ applied }, "the database schema is current");
    }
    const worker = await createWorker(config, log, metrics);
    warnOfOpenFiles(file, config, log);
    const signalled = awaitSignal(log, () => process.exit(130));
    const { useKeys } = worker;
    reloadOnSighup({ onSighup, file, config, log, useKeys, onTerminalClosed: signalled.raise });
    await untilSignalled(worker, signalled, () => {
      // Whoever waits for this line finds it on stderr also when the log goes elsewhere or its level is above info.
      const isSeen = config.log.handler === "stderr" && log.isLevelEnabled("info");
      log.info("ready");
      if (!isSeen) lines.stderr.write("ready\n", URGENT);
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

/** Files whose readers could act as this installation, or for any of its users. */
function warnOfOpenFiles(file: string | undefined, { kerberos, origins }: Config, log: Log): void {
  const files = [...(file === undefined ? [] : [resolve(file)]), ...keyFiles(file, origins)];
  if (kerberos !== undefined) files.push(kerberos.keytab);
  for (const open of findOpenFiles(files)) log.warn(open, "a file with secrets is readable by other users");
}
