import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import type { Command } from "commander";
import ts from "typescript";
import { parseAllDocuments } from "yaml";
import { COMMANDS } from "../src/cli/program.ts";
import { configSchema } from "../src/config/schema.ts";

const root = resolve(import.meta.dirname, "..");

/** A block of code in a document. */
interface Block {
  /** The document, and the line on which the code begins. */
  readonly place: string;
  readonly code: string;
}

/** What TypeScript says of a name that is declared elsewhere, and of parameters whose types come from it. */
const UNKNOWN_NAMES = [2304, 2552, 7006, 18004];

const documents = globSync(["*.md", "docs/**/*.md"], { cwd: root }).toSorted();

test("each block of JSON in the documentation can be parsed, and names settings that exist", () => {
  for (const { place, value } of blocksIn("json").flatMap(valuesIn)) {
    if (typeof value !== "object" || value === null) continue;
    const isConfiguration = Object.keys(value).every((key) => key in configSchema.shape);
    if (!isConfiguration) continue;
    const { issues = [] } = configSchema.safeParse(value).error ?? {};
    const unknown = issues.filter((issue) => issue.code === "unrecognized_keys");
    assert.deepEqual(unknown, [], place);
  }
});

test("each block of YAML in the documentation can be parsed", () => {
  for (const { place, code } of blocksIn("yaml"))
    for (const document of parseAllDocuments(code)) assert.deepEqual([place, document.errors], [place, []]);
});

test("each block of TypeScript in the documentation compiles, where the reader has its names", () => {
  const blocks = new Map(
    blocksIn("ts").map((block, index) => [join(root, `block-${index}.mts`), block] as const),
  );
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  Object.assign(options, { noUnusedLocals: false, noUnusedParameters: false });
  const host = ts.createCompilerHost(options);
  host.fileExists = (path) => blocks.has(path) || ts.sys.fileExists(path);
  host.readFile = (path) => blocks.get(path)?.code ?? ts.sys.readFile(path);
  const program = ts.createProgram([...blocks.keys()], options, host);
  const faults = Array.from(blocks, ([path, { place }]) => {
    const source = program.getSourceFile(path);
    return ts
      .getPreEmitDiagnostics(program, source)
      .filter(({ code }) => !UNKNOWN_NAMES.includes(code))
      .map(({ messageText }) => `${place}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`);
  });
  assert.deepEqual(faults.flat(), []);
});

test("each block of TypeScript that names an example as its source is a part of that file", () => {
  for (const { place, code } of blocksIn("ts")) {
    const [, file, rest = ""] = /^\/\/ From (examples\/\S+)\n(.*)$/s.exec(code) ?? [];
    if (file === undefined) continue;
    const isThere = readFileSync(join(root, file), "utf8").includes(rest.trim());
    assert.ok(isThere, `${place} differs from ${file}`);
  }
});

test("each block of Python in the documentation can be parsed", () => {
  const program = "import ast, json, sys\nfor code in json.load(sys.stdin): ast.parse(code)";
  const input = JSON.stringify(blocksIn("python").map(({ code }) => code));
  execFileSync("python3", ["-c", program], { input });
});

test("each command of authmq in the documentation exists, with its options", async () => {
  const faults: string[] = [];
  for (const { place, code } of blocksIn("sh"))
    for (const line of commandLines(code)) {
      const fault = await faultIn(line);
      if (fault !== undefined) faults.push(`${place}: ${line}: ${fault}`);
    }
  assert.deepEqual(faults, []);
});

test("each target of make in the documentation exists", () => {
  const makefile = readFileSync(join(root, "Makefile"), "utf8");
  for (const { place, code } of blocksIn("sh"))
    for (const [, words = ""] of code.matchAll(/^make ([a-z -]+?)(?: [A-Z]+=.*)?(?:\s+#.*)?$/gm))
      for (const target of words.trim().split(/\s+/))
        assert.match(makefile, new RegExp(`^${target}:`, "m"), place);
});

/** The code blocks of a language in all documents. */
function blocksIn(language: string): Block[] {
  return documents.flatMap((document) => {
    const text = readFileSync(join(root, document), "utf8");
    return Array.from(text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms")), (match) => ({
      place: `${document}:${text.slice(0, match.index).split("\n").length + 1}`,
      code: match[1] ?? "",
    }));
  });
}

/** The value of a block, or of each of its lines: a log is a value a line. */
function valuesIn({ place, code }: Block): { readonly place: string; readonly value: unknown }[] {
  const texts = code.startsWith("{\n") || code.startsWith("[\n") ? [code] : code.trim().split("\n");
  return texts.map((text) => {
    try {
      return { place, value: JSON.parse(text) as unknown };
    } catch (error) {
      throw new Error(`${place}: ${text}`, { cause: error });
    }
  });
}

/** The words after `authmq` in each command line that runs it. */
function commandLines(code: string): string[] {
  return Array.from(
    code.replaceAll(/\\\n\s*/g, " ").matchAll(/(?:^|[\s|&;(])(?:authmq )+([a-z-]+[^#|&;>\n]*)/g),
    ([, line = ""]) => line.trim(),
  );
}

/** Why a command line cannot be right; undefined where its command and its options exist. */
async function faultIn(line: string): Promise<string | undefined> {
  const words = line.split(/\s+/);
  const load = COMMANDS.get(words[0] ?? "");
  if (load === undefined) return "no such command";
  let command: Command = await load();
  for (const word of words.slice(1)) {
    const child = command.commands.find((one) => one.name() === word);
    if (child !== undefined) command = child;
    else if (command.commands.length > 0) return `no such command: ${word}`;
    else break;
  }
  const options = new Set(["--help", ...command.options.map(({ long }) => long)]);
  return words
    .filter((word) => word.startsWith("--"))
    .map((word) => word.split("=", 1)[0] ?? "")
    .filter((option) => !options.has(option))
    .map((option) => `no such option: ${option}`)[0];
}
