import type { Workflows } from "../schemas/workflows.d.ts";
import { type Config, loadConfig, parseConfig } from "./config/load.ts";
import type { LogConfig } from "./config/schema.ts";
import { migrate } from "./db/migrate.ts";
import { openEngine } from "./engine.ts";
import { openLines } from "./observability/line-writer.ts";
import { createLogOn, createLogTo } from "./observability/log.ts";
import { createMetrics } from "./observability/metrics.ts";
import { workflowsBy } from "./wire/workflows.ts";

/** The options of `createAuth`. */
export interface AuthOptions {
  /** The path of a configuration file, which environment variables override; or a configuration object. */
  readonly config: string | Readonly<Record<string, unknown>>;
  /** The log level on stderr, `silent` by default; `info` logs a line for each call. */
  readonly logLevel?: LogConfig["level"];
}

/** The workflows without a broker: same validation, authorization and errors. Methods reject with AppError. */
export interface Auth extends Workflows<[]>, AsyncDisposable {
  /** Migrates the database to the current schema; returns the names of the applied migrations. */
  migrate(): Promise<string[]>;
  /** Closes the database and all connections; may be called twice. */
  close(): Promise<void>;
}

/** Opens the configured database; throws ConfigError with all faults of the configuration. */
export async function createAuth(options: AuthOptions): Promise<Auth> {
  const config = readConfig(options.config);
  const metrics = createMetrics();
  const level = options.logLevel ?? "silent";
  const count = (): void => metrics.count("log_lines_dropped_total");
  const lines = level === "silent" ? undefined : await openLines(config.log, count, { pretty: false });
  const log = lines === undefined ? createLogTo(NOWHERE, level) : createLogOn(lines, level);
  const engine = await openEngine(config, log, metrics, () => readConfig(options.config).encryption);
  const close = async (): Promise<void> => {
    await engine.close();
    lines?.close();
  };
  engine.startCleanup(); // there may be no worker that does it
  return {
    ...workflowsBy((queue, request) => engine.pipeline.call(queue, request)),
    migrate: async () => [...(await migrate(config.db)).applied],
    close,
    [Symbol.asyncDispose]: close,
  };
}

const NOWHERE = { write: () => undefined };

function readConfig(config: AuthOptions["config"]): Config {
  if (typeof config === "string") return loadConfig(config, { keys: true });
  return parseConfig(config, { keys: true, env: {}, folder: process.cwd() });
}
