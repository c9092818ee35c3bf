import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";

const root = resolve(import.meta.dirname, "..");

/** Words of a private language, and what to write instead. */
const BANNED: readonly (readonly [words: RegExp, instead: string])[] = [
  [/\banew\b/i, "again, a new, recreate"],
  [/\b(?:is|are|was|were|be|been|being) told\b/i, "is notified, is published, is shown"],
  [/\bwho(?:m|so)?ever\b/i, "name who: a client, a caller, an operator"],
  [/\bgives? an? [\w ]{0,20}token\b/i, "issues a token"],
  [/\bupkeep\b/i, "cleanup"],
  [/\bkeepers?\b/i, "respawner"],
  [/\blanes?\b(?!["_:`.)}\]=])/i, "concurrency limit"],
  [/\bneighbours?\b/i, "comparison, adjacent"],
  [/\bstill[ -]?wanted\b/i, "cancelled, AbortSignal"],
  [/\basked (?:again|for again)\b/i, "retried"],
  [/\bfree failures\b/i, "lockout threshold"],
  [/\b(?:is|are|was|were) dead\b/i, "is revoked, has crashed, is unreachable"],
  [/\bof before\b/i, "previous"],
  [/\bthere (?:is|are) not\b/i, "does not exist"],
  [/\bnobody has\b/i, "does not exist, no account has"],
  [/\bwhat holds\b/i, "guarantees"],
  [/\bmade? anew\b/i, "recreated"],
  [/\bmisfits?\b/i, "mismatch"],
  [/\b(?:the|an?) wish\b/i, "request"],
];

/** Documents, and everything in the code that people read. */
const files = globSync(["*.md", "Makefile", "docs/**/*.md", "src/**/*.ts", "examples/**/*.{ts,py,md}"], {
  cwd: root,
  exclude: ["**/node_modules/**"],
}).toSorted();

test("documents and code use the terms that people search for", () => {
  const found = files.flatMap((file) =>
    readFileSync(join(root, file), "utf8")
      .split("\n")
      .flatMap((line, index) =>
        BANNED.filter(([words]) => words.test(line)).map(
          ([words, instead]) => `${file}:${index + 1}: ${words.exec(line)?.[0]}: write ${instead}`,
        ),
      ),
  );
  assert.deepEqual(found, []);
});
