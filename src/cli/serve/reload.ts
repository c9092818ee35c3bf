import { closeSync, openSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { encryptionKeyId } from "../../auth/second-factor/secret-box.ts";
import { ConfigError } from "../../config/fault.ts";
import { type Config, loadConfig } from "../../config/load.ts";
import type { Settings } from "../../config/schema.ts";
import type { Log } from "../../observability/log.ts";
import { keyIdOf } from "../../tokens/jwks.ts";

/** Settings that need a restart, and their configuration sections. */
const RESTART_SECTIONS: Readonly<
  Record<Exclude<keyof Config, "signing" | "issuers" | "encryption" | "origins">, keyof Settings>
> = {
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

/** Sets the handler for SIGHUP. */
export type OnSighup = (act: () => void) => void;

interface Reload {
  readonly onSighup: OnSighup;
  /** The configuration that the process runs with. */
  readonly config: Config;
  readonly file: string | undefined;
  readonly log: Log;
  /** Makes the worker use the keys of the new configuration. */
  readonly useKeys: (config: Config) => Promise<void>;
  /** Called instead of a reload if the terminal of this process was closed. */
  readonly onTerminalClosed: () => void;
}

/** Catches SIGHUP, which would end this process, and holds it until a handler is set. */
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
 * On each SIGHUP, reloads the keys and the log level from the configuration. An invalid configuration changes
 * nothing. Other changed sections are logged, because they need a restart.
 */
export function reloadOnSighup({ onSighup, config, file, log, useKeys, onTerminalClosed }: Reload): void {
  const hadTerminal = isTerminalOpen();
  const reload = async (): Promise<void> => {
    try {
      const next = loadConfig(file, { keys: true });
      await useKeys(next);
      const { key, method } = next.signing ?? {};
      const key_id = key && (await keyIdOf(key));
      const encryption_key_id = next.encryption && encryptionKeyId(next.encryption.active);
      log.info({ algorithm: method, key_id, encryption_key_id }, "reloaded the token keys");
      applyLevel(log, next.log.level);
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

function applyLevel(log: Log, level: Config["log"]["level"]): void {
  if (log.level === level) return;
  const previous = log.level;
  // Log the change if either level allows it.
  if (!log.isLevelEnabled("info")) log.level = level;
  log.info({ log_level: level, previous }, "reloaded the log level");
  log.level = level;
}

function changedSections(before: Config, after: Config): string[] {
  const [{ brokerTokens: scopes, ...app }, { brokerTokens: newScopes, ...newApp }] = [before.app, after.app];
  const { level } = after.log;
  const compared = { ...before, app, log: { ...before.log, level } };
  const newCompared = { ...after, app: newApp };
  const changed = Object.entries(RESTART_SECTIONS).flatMap(([part, section]) => {
    const name = part as keyof typeof RESTART_SECTIONS; // Object.entries widens keys to string
    return isDeepStrictEqual(compared[name], newCompared[name]) ? [] : section;
  });
  return isDeepStrictEqual(scopes, newScopes) ? changed : [...changed, "broker_settings"];
}

/** Whether this process has a terminal: closing it also sends SIGHUP, which then means stop, not reload. */
function isTerminalOpen(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}
