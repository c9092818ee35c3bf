import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { noteFile } from "../secrets/notes.ts";
import { endGroup, type Scratch, waitUntil } from "../support/servers/scratch.ts";
import type { Plan } from "./plan.ts";

const CLI = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
const HOOK = new URL("./hook.ts", import.meta.url).href;

/** Delay before a replica's next process starts, in milliseconds. */
const RESTART_DELAY = 100;
const READY_LIMIT = 60;
const STOP_LIMIT = 30_000;

/** All running processes. */
const processes = new Set<ChildProcess>();
let haveEnded = false;

/** Ends all processes of all replicas, and prevents new ones. */
export async function endReplicas(): Promise<void> {
  haveEnded = true;
  await Promise.all(Array.from(processes, (child) => endGroup(child)));
}

interface ReplicaOptions {
  readonly scratch: Scratch;
  readonly name: string;
  /** The folder with its config.json. */
  readonly folder: string;
  readonly plan: Plan;
  /** Variables that override its config.json. */
  readonly env: Readonly<Record<string, string>>;
}

/** One `authmq serve` that is restarted when its process ends, like under a process manager. */
export class Replica {
  readonly #options: ReplicaOptions;
  readonly #log: string;
  /** Exits of its processes that no one requested: with an exit code, or by a signal other than SIGKILL. */
  readonly unexpectedExits: string[] = [];
  #child: ChildProcess | undefined;
  #offset = 0;
  #kept = false;
  #kills = 0;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.#log = join(options.folder, `${options.name}.log`);
  }

  /** Number of its processes that were ended by SIGKILL. */
  get kills(): number {
    return this.#kills;
  }

  /** Starts it, and resolves when it is ready. */
  async start(): Promise<void> {
    this.#kept = true;
    this.#launch();
    await this.ready();
  }

  /** Resolves when its current or a later process is ready. */
  async ready(): Promise<void> {
    const isReady = (): boolean => isRunning(this.#child) && this.#output().includes('"msg":"ready"');
    await waitUntil(`${this.#options.name} ready`, isReady, { seconds: READY_LIMIT }).catch(
      (cause: unknown) => {
        throw new Error(`a worker is not ready:\n${this.logTail()}`, { cause });
      },
    );
  }

  /** Kills its process with SIGKILL, like the OOM killer; it is restarted. */
  kill(): void {
    this.#signal("SIGKILL");
  }

  /** Kills it without a restart, like a power failure. */
  async crash(): Promise<void> {
    this.#kept = false;
    if (this.#child !== undefined) await endGroup(this.#child);
  }

  /** Stops all its threads with SIGSTOP. */
  freeze(): void {
    this.#signal("SIGSTOP");
  }

  /** Continues a frozen process. */
  thaw(): void {
    this.#signal("SIGCONT");
  }

  /** Stops it with SIGTERM and returns its exit code; null if it did not stop and was killed. */
  async stop(): Promise<number | null> {
    this.#kept = false;
    const child = this.#child;
    if (child === undefined || !isRunning(child)) return null;
    const exited = once(child, "exit") as Promise<[number | null]>;
    child.kill("SIGTERM");
    const ended = await Promise.race([exited, sleep(STOP_LIMIT, undefined, { ref: false })]);
    if (ended !== undefined) return ended[0];
    this.unexpectedExits.push(`did not stop within ${STOP_LIMIT / 1000} s`);
    await endGroup(child);
    return null;
  }

  /** The last lines of its log. */
  logTail(): string {
    return readFileSync(this.#log, "utf8").trimEnd().split("\n").slice(-5).join("\n");
  }

  #signal(signal: NodeJS.Signals): void {
    if (isRunning(this.#child)) this.#child?.kill(signal);
  }

  #launch(): void {
    if (haveEnded) return;
    const { scratch, folder, plan, env } = this.#options;
    const log = openSync(this.#log, "a");
    this.#offset = statSync(this.#log).size;
    const child = spawn(process.execPath, ["--import", HOOK, CLI, "serve"], {
      cwd: folder,
      // In its own process group, registered with the reaper: it ends with this process in any case.
      detached: true,
      env: {
        PATH: process.env["PATH"],
        CHAOS_PLAN: JSON.stringify(plan),
        NODE_COMPILE_CACHE: join(scratch.folder, "compiled"),
        ...env,
      },
      stdio: ["ignore", log, log],
    });
    noteFile("output of authmq", log);
    closeSync(log);
    scratch.registerProcess(child);
    this.#child = child;
    processes.add(child);
    child.on("exit", (code, signal) => {
      processes.delete(child);
      if (signal === "SIGKILL") this.#kills++;
      if (!this.#kept) return;
      if (signal !== "SIGKILL")
        this.unexpectedExits.push(`ended with ${code ?? String(signal)}\n${this.logTail()}`);
      setTimeout(() => {
        if (this.#kept) this.#launch();
      }, RESTART_DELAY);
    });
  }

  #output(): string {
    return readFileSync(this.#log).subarray(this.#offset).toString();
  }
}

function isRunning(child: ChildProcess | undefined): boolean {
  return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
}
