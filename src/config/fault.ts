/** An error in the configuration: its path (keys and indexes, separated by dots) and what to do. */
export interface ConfigFault {
  readonly path: string;
  readonly msg: string;
}

/** The configuration is not valid; `faults` lists all errors. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    super(faults.map(({ path, msg }) => (path === "" ? msg : `${path}: ${msg}`)).join("\n"));
    this.faults = faults;
  }
}

/** Collects faults and the paths whose values are unknown because of them. */
export class Faults {
  readonly #list: ConfigFault[] = [];
  readonly #unknown = new Set<string>();

  /** Adds faults and marks their paths as unknown. */
  push(...faults: readonly ConfigFault[]): void {
    for (const fault of faults) {
      this.#list.push(fault);
      this.#unknown.add(fault.path);
    }
  }

  /** Adds a fault of a source (for example a variable) and marks the paths that it sets as unknown. */
  pushFrom(source: string, msg: string, paths: readonly string[] = []): void {
    this.#list.push({ path: source, msg });
    this.markUnknown(paths);
  }

  /** Marks paths as unknown because of a fault that is already listed. */
  markUnknown(paths: readonly string[]): void {
    for (const path of paths) this.#unknown.add(path);
  }

  /**
   * Whether the value at a path is unknown: the path, a child or a parent of it has a fault. Skip checks that need the
   * value, so that one mistake causes one fault.
   */
  has(path: string): boolean {
    return this.isBelow(path) || ancestorsOf(path).some((ancestor) => this.#unknown.has(ancestor));
  }

  /** Whether the path or a child of it has a fault. */
  isBelow(path: string): boolean {
    return (
      this.#unknown.has(path) ||
      this.#unknown.values().some((other) => path === "" || other.startsWith(`${path}.`))
    );
  }

  /** All faults without duplicates; `present` converts a fault for the reader. */
  list(present: (fault: ConfigFault) => ConfigFault = (fault) => fault): ConfigFault[] {
    return [...new Map(this.#list.map(present).map((fault) => [JSON.stringify(fault), fault])).values()];
  }
}

/** An error in one setting; `collectFault` adds its path. */
export class BadSetting extends Error {
  override readonly name = "BadSetting";
}

/** The result of `read`; if it throws BadSetting, adds a fault for the path and returns undefined. */
export function collectFault<T>(faults: Faults, path: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BadSetting)) throw error;
    faults.push({ path, msg: error.message });
    return undefined;
  }
}

/** The reason why a file cannot be read, without its path. */
export function describeFileError(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const meaning = { ENOENT: "it does not exist", EACCES: "permission denied", EISDIR: "it is a folder" }[
    code
  ];
  return meaning === undefined ? code : `${meaning} (${code})`;
}

/** The parents of a path, the last one is "" for the whole configuration. */
function ancestorsOf(path: string): string[] {
  const parts = path.split(".");
  return parts.map((_, index) => parts.slice(0, parts.length - 1 - index).join("."));
}
