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

/** Collects faults, and knows which values are unknown because of them. */
export class Faults {
  readonly #list: ConfigFault[] = [];
  readonly #unknown = new Set<string>();

  /** Adds faults; their paths have no known value from then on. */
  push(...faults: readonly ConfigFault[]): void {
    for (const fault of faults) {
      this.#list.push(fault);
      this.#unknown.add(fault.path);
    }
  }

  /** Adds a fault of a source, for example a variable, that leaves the values at some paths unknown. */
  pushFrom(source: string, msg: string, paths: readonly string[] = []): void {
    this.#list.push({ path: source, msg });
    this.spoil(paths);
  }

  /** Marks paths whose values are unknown because of a fault that is listed elsewhere. */
  spoil(paths: readonly string[]): void {
    for (const path of paths) this.#unknown.add(path);
  }

  /**
   * Whether the value at a path is unknown: the path, a part of it, or something that contains it has a fault. A check that
   * needs the value is skipped then, so that one mistake is one fault.
   */
  has(path: string): boolean {
    return this.isBelow(path) || ancestorsOf(path).some((ancestor) => this.#unknown.has(ancestor));
  }

  /** Whether the path or a part of it has a fault. */
  isBelow(path: string): boolean {
    return (
      this.#unknown.has(path) ||
      this.#unknown.values().some((other) => path === "" || other.startsWith(`${path}.`))
    );
  }

  /** All faults, each one once; `name` gives a path's name for the reader. */
  list(name: (path: string) => string = (path) => path): ConfigFault[] {
    const named = this.#list.map(({ path, msg }) => ({ path: name(path), msg }));
    return [...new Map(named.map((fault) => [JSON.stringify(fault), fault])).values()];
  }
}

/** A sentence about one setting, thrown while it is read and listed with its path. */
export class BadSetting extends Error {
  override readonly name = "BadSetting";
}

/** What `read` gives, or undefined and one more fault with the path. */
export function collectFault<T>(faults: Faults, path: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BadSetting)) throw error;
    faults.push({ path, msg: error.message });
    return undefined;
  }
}

/** Why a file could not be read, without its path. */
export function describeFileError(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const meaning = { ENOENT: "there is none", EACCES: "this user may not", EISDIR: "it is a folder" }[code];
  return meaning === undefined ? code : `${meaning} (${code})`;
}

/** The paths that contain a path, "" for the whole configuration last. */
function ancestorsOf(path: string): string[] {
  const parts = path.split(".");
  return parts.map((_, index) => parts.slice(0, parts.length - 1 - index).join("."));
}
