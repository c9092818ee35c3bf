import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import ts from "typescript";

/** The files that a TypeScript file imports by a relative path, types included, by paths like the given one. */
export function importsOf(file: string): string[] {
  return pathsIn(readFileSync(file, "utf8")).map((path) => join(dirname(file), path));
}

/** The relative paths that a file's text imports or exports from. */
export function pathsIn(text: string): string[] {
  const names = ts.preProcessFile(text).importedFiles.map(({ fileName }) => fileName);
  return names.filter((name) => name.startsWith(".")).map((name) => join(name));
}

/** A file's imports, theirs, and so on, the file itself included; `next` gives what a file imports. */
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
