import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { LOG_MESSAGES } from "../../src/observability/log-messages.ts";

const TABLE = "observability/log-messages.ts";
const src = resolve(import.meta.dirname, "../../src");

test("every message of the table is written somewhere, and the compiler refuses any other", () => {
  const code = globSync("**/*.ts", { cwd: src })
    .filter((file) => file !== TABLE)
    .map((file) => readFileSync(join(src, file), "utf8"))
    .join("\n");
  const unused = Object.keys(LOG_MESSAGES).filter((message) => !code.includes(`"${message}"`));
  assert.deepEqual(unused, []);
});

test("every error says what an operator does about it", () => {
  const silent = Object.entries(LOG_MESSAGES)
    .filter(([, { level, action }]) => level === "error" && action === "none")
    .map(([message]) => message);
  assert.deepEqual(silent, []);
});
