import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { generateSchemas } from "../src/schemas.ts";

test("the committed schemas are up to date, and there are no other files", () => {
  const folder = resolve(import.meta.dirname, "../schemas");
  const generated = generateSchemas();
  assert.deepEqual(globSync("**/*.*", { cwd: folder }).toSorted(), [...generated.keys()].toSorted());
  for (const [file, content] of generated) {
    assert.equal(readFileSync(join(folder, file), "utf8"), content, `${file}: run make schemas`);
  }
});
