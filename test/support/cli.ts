import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { noteOutput } from "../secrets/note-output.ts";
import { noteConfig, noteMessage, noteSecret } from "../secrets/notes.ts";
import { scratchFolder } from "./scratch-folder.ts";

const CLI = resolve(import.meta.dirname, "../../src/cli.ts");
const USE_BUNDLES = new URL("./use-bundles.ts", import.meta.url).href;
const BUILT_CLI = resolve(import.meta.dirname, "../../dist/cli.js");

/** The result of a command. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `authmq ARGS` as its own process in a folder and waits for its end. */
export async function runCli(
  args: readonly string[],
  {
    cwd,
    stdin = "",
    env = {},
    node = [],
  }: { cwd?: string; stdin?: string; env?: object; node?: readonly string[] } = {},
): Promise<Ended> {
  const child = startCli(args, { cwd: cwd ?? newFolder(), env, node });
  noteMessage(stdin);
  if (args[0] === "admin") noteSecret("password", stdin.split("\n", 1)[0] ?? "");
  child.stdin.on("error", () => undefined); // a command that reads no stdin may have ended already
  child.stdin.end(stdin);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { code: child.exitCode, stdout, stderr };
}

/** Starts `authmq ARGS` and leaves it running; `built` uses dist/ instead of src/. */
export function startCli(
  args: readonly string[],
  {
    cwd,
    env = {},
    node = [],
    built = false,
  }: { cwd: string; env?: object; node?: readonly string[]; built?: boolean },
) {
  const inherited = { ...process.env };
  delete inherited["AUTHMQ_CONFIG"];
  for (const [name, value] of Object.entries(env))
    if (/PASSWORD$|SECRET__VALUE$/.test(name)) noteSecret("password", String(value));
    else if (/URL$/.test(name)) noteUrl(String(value));
  const command = built ? [BUILT_CLI] : [`--import=${USE_BUNDLES}`, CLI];
  const child = spawn(process.execPath, [...node, ...command, ...args], {
    cwd,
    env: { ...inherited, ...env },
  });
  return noteOutput(child, args);
}

function noteUrl(text: string): void {
  const password = URL.canParse(text) ? new URL(text).password : "";
  if (password !== "") noteSecret("password", decodeURIComponent(password));
}

/** An empty folder that is deleted after the run. */
export function newFolder(): string {
  return mkdtempSync(join(scratchFolder, "cli-"));
}

/** A new folder with this configuration in config.json. */
export function folderWith(config: object): string {
  const folder = newFolder();
  noteConfig(config);
  writeFileSync(join(folder, "config.json"), JSON.stringify(config), { mode: 0o600 });
  return folder;
}
