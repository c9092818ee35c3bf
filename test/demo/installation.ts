import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { type Scratch, type Server, waitUntil } from "../support/servers/scratch.ts";

const CLI = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));

/** The result of a command. */
export interface CommandResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A worker process. */
export interface WorkerProcess {
  readonly pid: number;
  /** Sends SIGTERM and resolves when it has ended. */
  stop(): Promise<void>;
}

/** An installation in a scratch folder: every command is a process, as an operator would run it. */
export class DemoInstallation {
  readonly folder: string;
  readonly #scratch: Scratch;
  readonly #env: NodeJS.ProcessEnv;
  readonly #children = new Set<ChildProcess>();
  readonly #workers = new Set<WorkerProcess>();

  constructor(scratch: Scratch) {
    this.#scratch = scratch;
    this.folder = join(scratch.folder, "authmq");
    // Only what a process needs to run, without variables of the caller's own installation.
    this.#env = {
      PATH: process.env["PATH"],
      AUTHMQ_CONFIG: join(this.folder, "config.json"),
      NODE_COMPILE_CACHE: join(scratch.folder, "compiled"),
    };
  }

  /** Sets variables that override the configuration of every later command. */
  configure(env: Readonly<Record<string, string>>): void {
    Object.assign(this.#env, env);
  }

  /** Runs `authmq` to its end. */
  async run(args: readonly string[], stdin = ""): Promise<CommandResult> {
    return this.#runNode([CLI, ...args], stdin, {});
  }

  /** Runs a program that imports `@authmq/client`; returns its JSON, or throws with its stderr. */
  async runProgram(file: URL, env: Readonly<Record<string, string>>, stdin = ""): Promise<unknown> {
    // In a checkout, this condition resolves @authmq/client to its source.
    const args = ["--conditions=authmq-source", fileURLToPath(file)];
    const { exitCode, stdout, stderr } = await this.#runNode(args, stdin, env);
    if (exitCode !== 0) throw new Error(`${file.pathname} failed\n${stderr}`);
    return JSON.parse(stdout);
  }

  async #runNode(args: readonly string[], stdin: string, env: NodeJS.ProcessEnv): Promise<CommandResult> {
    // In its own process group, because Ctrl-C in the terminal must reach only the demo, which ends the command.
    const child = spawn(process.execPath, args, {
      cwd: this.#scratch.folder,
      env: { ...this.#env, ...env },
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#scratch.registerProcess(child);
    this.#children.add(child);
    child.stdin.on("error", () => undefined); // a command that reads nothing closes it early
    child.stdin.end(stdin);
    const [stdout, stderr, [exitCode]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close") as Promise<[number | null]>,
    ]);
    this.#children.delete(child);
    return { exitCode, stdout, stderr };
  }

  /** Runs `authmq` and returns its output; throws with its stderr if it fails. */
  async must(args: readonly string[], stdin?: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(args, stdin);
    if (exitCode !== 0) throw new Error(`authmq ${args.join(" ")} failed\n${stderr}`);
    return stdout === "" ? stderr : stdout;
  }

  /** Starts `authmq serve` and resolves when it is ready. */
  async serve(name: string): Promise<WorkerProcess> {
    const server = this.#scratch.process(process.execPath, [CLI, "serve"], { name, env: this.#env });
    await server.start();
    const log = join(this.#scratch.folder, `${name}.log`);
    const isReady = (): boolean => readFileSync(log, "utf8").includes('"msg":"ready"');
    await waitUntil(name, () => isReady() || undefined, { seconds: 30, died: () => server.died() });
    const worker = { pid: server.pid ?? 0, stop: () => terminate(server) };
    this.#workers.add(worker);
    return worker;
  }

  /** Ends every command and worker. May be called twice. */
  async stop(): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    await Promise.all(Array.from(this.#workers, (worker) => worker.stop()));
  }
}

async function terminate(server: Server): Promise<void> {
  if (server.pid === undefined) return;
  process.kill(server.pid, "SIGTERM");
  await waitUntil("the end of a worker", () => server.pid === undefined || undefined, { seconds: 15 });
}
