/** One fault of the configuration: where it is (dots and indexes) and what to do about it. */
export interface ConfigFault {
  readonly path: string;
  readonly msg: string;
}

/** The configuration cannot be used; `faults` lists everything that is wrong with it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    super(faults.map(({ path, msg }) => (path === "" ? msg : `${path}: ${msg}`)).join("\n"));
    this.faults = faults;
  }
}

/** A sentence about one setting, thrown while it is read and listed with its path. */
export class BadSetting extends Error {
  override readonly name = "BadSetting";
}

/** What `read` gives, or undefined and one more fault with the path. */
export function collectFault<T>(faults: ConfigFault[], path: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BadSetting)) throw error;
    faults.push({ path, msg: error.message });
    return undefined;
  }
}

/** Why a file could not be read, without its path. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const meaning = { ENOENT: "there is none", EACCES: "this user may not", EISDIR: "it is a folder" }[code];
  return meaning === undefined ? code : `${meaning} (${code})`;
}
