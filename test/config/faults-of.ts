import { ConfigError } from "../../src/config/fault.ts";
import { type Config, parseConfig } from "../../src/config/load.ts";

interface ParseOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly folder?: string;
  readonly keys?: boolean;
}

/** Parses a configuration object like `serve`, with only the given environment. */
export function parse(raw: unknown, { env = {}, folder = ".", keys = false }: ParseOptions = {}): Config {
  return parseConfig(raw as Record<string, unknown>, { env, folder, keys });
}

/** The faults of a configuration by path; empty if there are none. */
export function faultsOf(raw: unknown, options: ParseOptions = {}): Record<string, string> {
  try {
    parse(raw, options);
    return {};
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return Object.fromEntries(error.faults.map(({ path, msg }) => [path, msg]));
  }
}

/** The sorted paths of the faults. */
export function faultyPaths(raw: unknown, options: ParseOptions = {}): string[] {
  return Object.keys(faultsOf(raw, options)).toSorted();
}
