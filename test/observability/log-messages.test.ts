import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { LOG_MESSAGES } from "../../src/observability/log-messages.ts";

const TABLE = "observability/log-messages.ts";
const src = resolve(import.meta.dirname, "../../src");

test("the code uses every message of the table (the compiler rejects all others)", () => {
  const code = globSync("**/*.ts", { cwd: src })
    .filter((file) => file !== TABLE)
    .map((file) => readFileSync(join(src, file), "utf8"))
    .join("\n");
  const unused = Object.keys(LOG_MESSAGES).filter((message) => !code.includes(`"${message}"`));
  assert.deepEqual(unused, []);
});

test("every error message has an action for the operator", () => {
  const silent = Object.entries(LOG_MESSAGES)
    .filter(([, { level, action }]) => level === "error" && action === "none")
    .map(([message]) => message);
  assert.deepEqual(silent, []);
});
