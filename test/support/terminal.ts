import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { noteWritten } from "../secrets/notes.ts";
import { waitUntil } from "./servers/scratch.ts";

const CLI = resolve(import.meta.dirname, "../../src/cli.ts");

/** Why this host has no pseudo-terminals for tests; false if it has. macOS has another program named script. */
export const noTerminal =
  process.platform !== "linux" || spawnSync("script", ["--version"]).status !== 0
    ? "needs script of util-linux"
    : false;

/** A command on a terminal that has ended. */
export interface TerminalEnded {
  readonly code: number | null;
  /** What the terminal showed, stdout and stderr and echoed keys alike. */
  readonly output: string;
}

/** Prompts, and what to type after each; after an empty one at once. */
type Typed = readonly (readonly [prompt: string, keys: string])[];

/** Runs `authmq ARGS` on a pseudo-terminal in a folder; types each text after its prompt was shown. */
export async function runOnTerminal(
  args: readonly string[],
  { cwd, typed = [] }: { readonly cwd: string; readonly typed?: Typed },
): Promise<TerminalEnded> {
  const command = `exec ${[process.execPath, CLI, ...args].map(quoted).join(" ")}`;
  const env = { ...process.env, AUTHMQ_CONFIG: "" };
  const terminal = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], { cwd, env });
  const closed = once(terminal, "close");
  let output = "";
  terminal.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  let seen = 0;
  for (const [prompt, keys] of typed) {
    const died = (): string | undefined => (terminal.exitCode === null ? undefined : output);
    await waitUntil(prompt, () => output.includes(prompt, seen), { died });
    seen = output.length;
    terminal.stdin.write(keys);
  }
  const [code] = (await closed) as [number | null];
  noteWritten("terminal", withoutEcho(output, typed));
  return { code, output: output.replaceAll("\r\n", "\n") };
}

/** The output without what the terminal itself echoed, because no prompt had turned its echo off. */
function withoutEcho(output: string, typed: Typed): string {
  const early = typed.filter(([prompt]) => prompt === "").map(([, keys]) => keys.split("\r", 1)[0] ?? "");
  return early.reduce((text, keys) => text.replace(keys, ""), output);
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
