import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { importsOf, pathsIn } from "./support/imports.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Every file with its imports, types included. */
const imports = new Map(
  globSync("{src,test,docs,docs/.vitepress,examples}/**/*.ts", { cwd: root }).map((file) => [
    join(root, file),
    importsOf(join(root, file)),
  ]),
);

test("no file imports itself indirectly, types included", () => {
  assert.ok(imports.size > 500, `${imports.size} files`);
  assert.deepEqual(cyclesIn(imports), []);
});

test("a cycle of type imports is found", () => {
  const cycle = new Map([
    ["a.ts", ["b.ts"]],
    ["b.ts", pathsIn('import type { A } from "./c.ts";\n')],
    ["c.ts", pathsIn('export type B = import("./b.ts").B;\n')],
  ]);
  assert.deepEqual(cyclesIn(cycle), ["b.ts > c.ts > b.ts"]);
});

/** One cycle for each file that is reachable from itself. */
function cyclesIn(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, trail: readonly string[]): void => {
    const start = trail.indexOf(file);
    if (start >= 0) cycles.push([...trail.slice(start), file].join(" > "));
    if (start >= 0 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) walk(next, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return cycles;
}
