import { closeSync, openSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { ConfigError } from "../../config/fault.ts";
import { type Config, loadConfig } from "../../config/load.ts";
import type { Settings } from "../../config/schema.ts";
import type { Log } from "../../observability/log.ts";
import { keyIdOf } from "../../tokens/jwks.ts";

/** What is not taken over while the worker runs, and the section that it comes from. */
const OTHERS: Readonly<Record<Exclude<keyof Config, "signing" | "issuers" | "origins">, keyof Settings>> = {
  db: "db_settings",
  amqp: "amqp_settings",
  app: "app_config",
  directory: "ldap_settings",
  kerberos: "kerberos_settings",
  queues: "queue_settings",
  log: "log_settings",
  events: "event_settings",
  health: "health_settings",
};

/** Says what to do at each SIGHUP. */
export type OnSighup = (act: () => void) => void;

interface Reload {
  readonly onSighup: OnSighup;
  /** The configuration that the process runs with. */
  readonly config: Config;
  readonly file: string | undefined;
  readonly log: Log;
  /** Takes the keys of the new configuration over. */
  readonly useKeys: (config: Config) => Promise<void>;
  /** Called instead where the terminal of this process has been closed. */
  readonly onTerminalClosed: () => void;
}

/** Takes SIGHUP from now on, which would end this process, and holds it until it is known what to do then. */
export function holdSighups(): OnSighup {
  let act: (() => void) | undefined;
  let happened = false;
  process.on("SIGHUP", () => {
    happened = true;
    act?.();
  });
  return (given) => {
    act = given;
    if (happened) act();
  };
}

/**
 * On each SIGHUP reads the configuration again and takes over its token keys and its log level. A configuration with a
 * fault changes nothing; what else has changed in it is named, because it needs a restart.
 */
export function reloadOnSighup({ onSighup, config, file, log, useKeys, onTerminalClosed }: Reload): void {
  const hadTerminal = isTerminalOpen();
  const reload = async (): Promise<void> => {
    try {
      const next = loadConfig(file, { keys: true });
      await useKeys(next);
      const { key, method } = next.signing ?? {};
      const key_id = key && (await keyIdOf(key));
      log.info({ algorithm: method, key_id }, "reloaded the token keys");
      takeLevel(log, next.log.level);
      const changed = changedSections(config, next);
      if (changed.length > 0) log.warn({ changed }, "changed settings need a restart");
    } catch (error) {
      const what = error instanceof ConfigError ? { faults: error.faults } : { err: error };
      log.error(what, "could not reload the configuration: nothing changed");
    }
  };
  let turn = Promise.resolve();
  onSighup(() => {
    if (!hadTerminal || isTerminalOpen()) {
      turn = turn.then(reload);
      return;
    }
    log.warn("the terminal was closed: stopping");
    onTerminalClosed();
  });
}

function takeLevel(log: Log, level: Config["log"]["level"]): void {
  if (log.level === level) return;
  const previous = log.level;
  // The line is seen where either level lets it be.
  if (!log.isLevelEnabled("info")) log.level = level;
  log.info({ log_level: level, previous }, "reloaded the log level");
  log.level = level;
}

function changedSections(before: Config, after: Config): string[] {
  const [{ brokerTokens: scopes, ...app }, { brokerTokens: newScopes, ...newApp }] = [before.app, after.app];
  const { level } = after.log;
  const compared = { ...before, app, log: { ...before.log, level } };
  const newCompared = { ...after, app: newApp };
  const changed = Object.entries(OTHERS).flatMap(([part, section]) => {
    const name = part as keyof typeof OTHERS; // whose keys these are
    return isDeepStrictEqual(compared[name], newCompared[name]) ? [] : section;
  });
  return isDeepStrictEqual(scopes, newScopes) ? changed : [...changed, "broker_settings"];
}

/** Whether this process has a terminal: who closes its window sends the same signal as who wants it to reload. */
function isTerminalOpen(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}
