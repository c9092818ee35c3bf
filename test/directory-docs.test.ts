import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { REASONS } from "../src/auth/ldap/reason.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const document = readFileSync(join(root, "docs/directory.md"), "utf8");

/** The code spans in the first column of the tables below a heading. */
function firstColumn(heading: string): string[] {
  const section = document.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  const cells = Array.from(section.matchAll(/^\| ([^|]+) \|/gm), ([, cell = ""]) => cell);
  return cells.flatMap((cell) => Array.from(cell.matchAll(/`([^`]+)`/g), ([, text = ""]) => text));
}

test("directory.md explains every reason that is found without the server's answer", () => {
  const explained = firstColumn("Refusal reasons");
  for (const { label } of Object.values(REASONS)) assert.ok(explained.includes(label), label);
});

test("directory.md quotes errors of the directory and the KDC as the code has them", () => {
  const sources = globSync("src/auth/{ldap,kerberos}/*.ts", { cwd: root }).map((file) =>
    readFileSync(join(root, file), "utf8"),
  );
  // With a number in them, or of the network, the system or MIT Kerberos.
  const others =
    /^(?:reason|ECONNREFUSED|altnames|certificate|result code \d+|no answer within .*|more than \d+ groups|Cannot contact any KDC)$/;
  const quoted = firstColumn("Errors with 503").filter((text) => !others.test(text));
  assert.ok(quoted.length >= 8, quoted.join(", "));
  for (const text of quoted)
    assert.ok(
      sources.some((source) => source.includes(text)),
      text,
    );
});
