import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { settingTables, withTables } from "../docs/generate/settings.ts";
import { QUEUE_KEYS, queueNames } from "../src/config/queues.ts";
import { configSchema } from "../src/config/schema.ts";
import { SIGN_METHODS } from "../src/config/sections/jwt.ts";
import { ERRORS } from "../src/errors.ts";
import { PROCEDURES } from "../src/procedures/index.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const documents = globSync("{*.md,docs/**/*.md}", { cwd: root });

interface Shape {
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
}

test("protocol.md has a row for every queue, with its key in queue_settings, and README.md names it", () => {
  const protocol = read("docs/protocol.md");
  const readme = read("README.md");
  for (const name of queueNames()) {
    assert.match(protocol, new RegExp(`^\\| \`${name}\` \\| \``, "m"));
    assert.ok(readme.includes(`\`${name}\``), name);
  }
  for (const key of QUEUE_KEYS.keys()) assert.ok(protocol.includes(`\`${key}\``), key);
});

test("client.md has a row for every queue, with its method", () => {
  const document = sectionOf(read("docs/client.md"), "Methods");
  for (const { name, namespace, method } of PROCEDURES)
    assert.ok(document.includes(`| \`${name}\` | \`auth.${namespace}.${method}\` |`), name);
});

test("reliability.md says of every queue what a repeat gets, with a key and without", () => {
  const document = sectionOf(read("docs/reliability.md"), "Every queue");
  for (const name of queueNames())
    assert.match(document, new RegExp(`^\\| \`${name}\` \\| [^|]+ \\| [^|]+ \\|$`, "m"));
});

test("protocol.md has every error code with its number, and no other", () => {
  const rows = read("docs/protocol.md").matchAll(/^\| (\d{3}) \| `([A-Z_]+)` \|/gm);
  const documented = Object.fromEntries(Array.from(rows, ([, resp, code = ""]) => [code, Number(resp)]));
  const real = Object.fromEntries(Object.entries(ERRORS).map(([code, { resp }]) => [code, resp]));
  assert.deepEqual(documented, real);
});

test("configuration.md has every key of the configuration in the section it belongs to", () => {
  const document = read("docs/configuration.md");
  const shape = z.toJSONSchema(configSchema, { io: "input" }) as Shape;
  for (const [section, { properties, items }] of Object.entries(shape.properties ?? {})) {
    const text = sectionOf(document, section);
    for (const path of pathsOf(properties ?? items?.properties ?? {})) {
      // The parts of a secret are the same everywhere and have a section of their own.
      const [, part] =
        /(?:^|\.)(?:secret|active|next|fingerprint_key)\.(type|value|secret)$/.exec(path) ?? [];
      const where = part === undefined ? text : sectionOf(document, "Secrets");
      const name = part ?? path;
      assert.ok(where.includes(`\`${name}\``), `${section}.${path}`);
    }
  }
});

test("configuration.md has the tables that the schema gives, in which every key is described", () => {
  const document = read("docs/configuration.md");
  assert.equal(withTables(document, settingTables()), document, "run make schemas");
});

test("configuration.md names every algorithm, secret type and default", () => {
  const document = read("docs/configuration.md");
  for (const name of SIGN_METHODS) assert.ok(document.includes(name), name);
  for (const type of ["plain", "base64plain", "base64key", "keyfile"]) {
    assert.ok(sectionOf(document, "Secrets").includes(`| \`${type}\` |`), type);
  }
  const defaults = configSchema.parse({});
  for (const section of ["amqp_settings", "app_config"] as const) {
    const text = sectionOf(document, section);
    for (const [key, value] of Object.entries(defaults[section])) {
      if (key === "email_regex") continue; // described in words: nobody reads it
      if (typeof value === "object") continue; // its keys have rows of their own
      const row = text.split("\n").find((line) => line.startsWith(`| \`${key}\` |`));
      assert.ok(row?.includes(String(value)), `${section}.${key}: ${String(value)}`);
    }
  }
});

test("operations.md has a row for every command of the CLI", () => {
  const program = readFileSync(join(root, "src/cli/program.ts"), "utf8");
  const names = Array.from(program.matchAll(/^ {2}\["([a-z-]+)", async/gm), ([, name = ""]) => name);
  assert.ok(names.length >= 9, names.join(", "));
  const document = read("docs/operations.md");
  for (const name of names) {
    const file = readFileSync(join(root, `src/cli/${name}.ts`), "utf8");
    const commands = Array.from(file.matchAll(/new Command\("([a-z-]+)"\)/g), ([, command = ""]) => command);
    for (const command of commands.filter((one) => one !== name || commands.length === 1)) {
      const words = command === name ? name : `${name} ${command}`;
      assert.match(document, new RegExp(`^\\| \`authmq ${words}\\b`, "m"));
    }
  }
});

test("every decision has its number, a status, and a row in the index that says the same", () => {
  const decisions = documents.filter((path) => /^docs\/adr\/\d/.test(path)).toSorted();
  const link = String.raw`\[ADR \d+\]\(\d{4}-[a-z0-9-]+\.md\)`;
  const status = `accepted(?:, extended by ${link}(?:, ${link})*(?: and ${link})?)?|superseded by ${link}`;
  const head = new RegExp(String.raw`^# (\d+)\. (.+)\n\nStatus: (${status})\n\n`);
  const rows = decisions.map((path) => {
    const [, number = "", title = "", state = ""] = head.exec(read(path)) ?? assert.fail(`${path}: its head`);
    const file = basename(path);
    assert.equal(Number.parseInt(file), Number(number), path);
    return `| ${number} | [${title}](${file}) | ${state} | `;
  });
  const index = read("docs/adr/index.md").match(/^\| \d.*\|$/gm) ?? [];
  const starts = index.map((row) => row.replace(/(?<= \| )[^|]+\.( \|)$/, ""));
  assert.deepEqual(starts, rows);
  assert.equal(new Set(rows.map((row) => Number.parseInt(row.slice(2)))).size, rows.length);
});

test("every relative link in a document leads to a file, and to a heading where it names one", () => {
  for (const document of documents) {
    const links = read(document).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g);
    for (const [link, path = "", anchor] of links) {
      const target = path === "" ? document : join(dirname(document), path);
      assert.ok(existsSync(join(root, target)), `${document}: ${link}`);
      if (anchor !== undefined) assert.ok(anchorsOf(read(target)).includes(anchor), `${document}: ${link}`);
    }
  }
});

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** The text below a heading of the second level. */
function sectionOf(document: string, heading: string): string {
  const section = document.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  assert.ok(section !== undefined, `a section ${heading}`);
  return section;
}

/** The keys below a part of a JSON Schema, in dots. */
function pathsOf(properties: Readonly<Record<string, Shape>>): string[] {
  return Object.entries(properties).flatMap(([key, shape]) => [
    key,
    ...pathsOf(shape.properties ?? {}).map((path) => `${key}.${path}`),
  ]);
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(document: string): string[] {
  return Array.from(document.matchAll(/^#+ (.+)$/gm), ([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
