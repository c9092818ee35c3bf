import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import ts from "typescript";

/** The relative imports of a TypeScript file, types included, as paths like the given one. */
export function importsOf(file: string): string[] {
  return pathsIn(readFileSync(file, "utf8")).map((path) => join(dirname(file), path));
}

/** The relative paths from which a file's text imports or exports. */
export function pathsIn(text: string): string[] {
  const names = ts.preProcessFile(text).importedFiles.map(({ fileName }) => fileName);
  return names.filter((name) => name.startsWith(".")).map((name) => join(name));
}

/** A file and everything that it imports, directly or indirectly; `next` returns the imports of a file. */
export function reachableFrom(file: string, next: (file: string) => readonly string[]): ReadonlySet<string> {
  const reached = new Set<string>();
  const walk = (one: string): void => {
    if (reached.has(one)) return;
    reached.add(one);
    next(one).forEach(walk);
  };
  walk(file);
  return reached;
}
