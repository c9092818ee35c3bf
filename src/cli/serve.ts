import { resolve } from "node:path";
import { Command } from "commander";
import { type Config, loadConfig } from "../config/load.ts";
import { migrate } from "../db/migrate.ts";
import { createLog, type Log } from "../observability/log.ts";
import { createWorker } from "../worker.ts";
import { findOpenFiles, keyFiles } from "./doctor/files.ts";
import { configOption, findConfig } from "./options.ts";

/** `authmq serve`. */
export function serveCommand(): Command {
  return new Command("serve")
    .description("run a worker until SIGTERM or SIGINT")
    .addOption(configOption())
    .option("--migrate", "bring the database to the current schema first")
    .addHelpText(
      "after",
      `
Prints "ready" on stderr when all queues are consumed. On SIGTERM or SIGINT it takes no more requests, finishes
what it has, and exits with 0; a second signal ends it at once.

Examples:
  $ authmq serve
  $ authmq serve --config /etc/authmq/config.json --migrate
  $ AUTHMQ__AMQP_SETTINGS__PASSWORD_FILE=/run/secrets/amqp authmq serve`,
    )
    .action(async (options: { config?: string; migrate?: true }) => serve(options));
}

async function serve(options: { config?: string; migrate?: true }): Promise<void> {
  const file = findConfig(options.config);
  const config = loadConfig(file, { keys: true });
  const log = createLog(config.log);
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "a fault nobody caught");
    process.exit(1);
  });
  if (options.migrate === true) {
    const applied = await migrate(config.db);
    log.info({ applied }, "the database is at the current schema");
  }
  const worker = await createWorker(config, log);
  warnOfOpenFiles(file, config, log);
  const signalled = nextSignal(log);
  const started = worker.start().then(
    () => announce(log, config.log.handler),
    (error: unknown) => (signalled.happened ? undefined : Promise.reject(error as Error)),
  );
  try {
    await Promise.race([signalled.promise, started.then(() => signalled.promise)]);
  } finally {
    await worker.stop();
  }
}

/** Files whose readers could act as this installation, or for any of its users. */
function warnOfOpenFiles(file: string | undefined, { kerberos }: Config, log: Log): void {
  const files = [...(file === undefined ? [] : [resolve(file)]), ...keyFiles(file)];
  if (kerberos !== undefined) files.push(kerberos.keytab);
  for (const open of findOpenFiles(files))
    log.warn(open, "a file with secrets is open to others than its owner");
}

function announce(log: Log, handler: string): void {
  log.info("ready");
  // Whoever waits for the line finds it on stderr also when the log goes elsewhere or tells less.
  if (handler !== "stderr" || !log.isLevelEnabled("info")) process.stderr.write("ready\n");
}

function nextSignal(log: Log): { promise: Promise<void>; happened: boolean } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const state = { promise, happened: false };
  const onSignal = (signal: string): void => {
    if (state.happened) process.exit(130);
    state.happened = true;
    log.info({ signal }, "stopping");
    resolve();
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  return state;
}
