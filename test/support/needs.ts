import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { importsOf, reachableFrom } from "./imports.ts";

const SUPPORT = resolve(import.meta.dirname);

/** Requirements of a test file besides Node, by the module that it imports, directly or indirectly, to use them. */
const MODULES = {
  rabbitmq: "servers/rabbitmq.ts",
  database: "servers/database.ts",
  openldap: "servers/openldap.ts",
  samba: "servers/samba.ts",
  ds389: "servers/ds389.ts",
  kerberos: "servers/kdc.ts",
  python: "python.ts",
  browser: "servers/browser.ts",
} as const;

/** A requirement that the runner installs. */
export type Need = keyof typeof MODULES;

/** Requirements of test files or a program on this machine, and the shared servers that they use. */
export interface Needs {
  readonly install: ReadonlySet<Need>;
  readonly start: { readonly rabbitmq: boolean; readonly database: boolean };
  /** Whether they use the npm registry. */
  readonly registry: boolean;
}

/** The combined requirements of files, from their imports. */
export function needsOf(files: readonly string[]): Needs {
  const reached = new Set(files.flatMap((file) => [...reachableFrom(resolve(file), partsOf)]));
  const uses = (module: string): boolean => reached.has(join(SUPPORT, module));
  const install = Object.entries(MODULES).filter(([, module]) => uses(module));
  return {
    // Object.entries widens the keys to string.
    install: new Set(install.map(([need]) => need as Need)),
    start: { rabbitmq: uses("rabbitmq.ts"), database: uses("database.ts") },
    registry: uses("npm.ts"),
  };
}

const known = new Map<string, readonly string[]>();

/** The imports of a file, and the programs that it starts. */
function partsOf(file: string): readonly string[] {
  const parts =
    known.get(file) ?? [...importsOf(file), ...programsIn(file)].filter((part) => existsSync(part));
  known.set(file, parts);
  return parts;
}

function programsIn(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return Array.from(text.matchAll(/"(\.{1,2}\/[^"\n]+\.ts)"/g), ([, path = ""]) => join(dirname(file), path));
}
