import { closeSync, openSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { ConfigError } from "../../config/fault.ts";
import { type Config, loadConfig } from "../../config/load.ts";
import type { Log } from "../../observability/log.ts";
import { keyIdOf } from "../../tokens/jwks.ts";

/** The parts that are taken over while the worker runs. */
const RELOADED: readonly (keyof Config)[] = ["signing", "issuers"];

/** Says what to do at each SIGHUP. */
type HangUps = (act: () => void) => void;

interface Reload {
  readonly hangUps: HangUps;
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
export function holdHangUps(): HangUps {
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
 * On each SIGHUP reads the configuration again and takes over its token keys. A configuration with a fault changes nothing;
 * what else has changed in it is named, because it needs a restart.
 */
export function reloadOnHangUp({ hangUps, config, file, log, useKeys, onTerminalClosed }: Reload): void {
  const hadTerminal = isTerminalOpen();
  const reload = async (): Promise<void> => {
    try {
      const next = loadConfig(file, { keys: true });
      await useKeys(next);
      const { key, method } = next.signing ?? {};
      const key_id = key && (await keyIdOf(key));
      log.info({ algorithm: method, key_id }, "took over the token keys of the configuration");
      const others = Object.keys(config).filter(
        (name) =>
          !RELOADED.some((part) => part === name) &&
          !isDeepStrictEqual(config[name as keyof Config], next[name as keyof Config]),
      );
      if (others.length > 0)
        log.warn({ changed: others }, "what else has changed in the configuration needs a restart");
    } catch (error) {
      const what = error instanceof ConfigError ? { faults: error.faults } : { err: error };
      log.error(what, "the configuration was not read again: everything stays as it is");
    }
  };
  let turn = Promise.resolve();
  hangUps(() => {
    if (hadTerminal && !isTerminalOpen()) onTerminalClosed();
    else turn = turn.then(reload);
  });
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
