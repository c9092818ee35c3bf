import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { importsOf, reachableFrom } from "./imports.ts";

const SUPPORT = resolve(import.meta.dirname);

/** What a test file needs beside Node, by the module that each file imports, directly or not, to use it. */
const MODULES = {
  rabbitmq: "servers/rabbitmq.ts",
  mariadb: "servers/mariadb.ts",
  openldap: "servers/openldap.ts",
  samba: "servers/samba.ts",
  ds389: "servers/ds389.ts",
  kerberos: "servers/kdc.ts",
  python: "python.ts",
  browser: "servers/browser.ts",
} as const;

/** Something that the runner installs. */
export type Need = keyof typeof MODULES;

/** What some test files, or a program, need on this machine, and which shared servers they expect to run. */
export interface Needs {
  readonly install: ReadonlySet<Need>;
  readonly start: { readonly rabbitmq: boolean; readonly mariadb: boolean };
  /** Whether they ask the registry of npm's packages. */
  readonly registry: boolean;
}

/** The needs of some files together, from what they import. */
export function needsOf(files: readonly string[]): Needs {
  const reached = new Set(files.flatMap((file) => [...reachableFrom(resolve(file), partsOf)]));
  const uses = (module: string): boolean => reached.has(join(SUPPORT, module));
  const install = Object.entries(MODULES).filter(([, module]) => uses(module));
  return {
    // Object.entries forgets that the keys are needs.
    install: new Set(install.map(([need]) => need as Need)),
    start: { rabbitmq: uses("rabbitmq.ts"), mariadb: uses("mariadb.ts") },
    registry: uses("npm.ts"),
  };
}

const known = new Map<string, readonly string[]>();

/** What a file imports, and the programs that it starts. */
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
