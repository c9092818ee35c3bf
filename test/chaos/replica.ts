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

/** So long the one who watches over a replica waits before it starts the next process, in milliseconds. */
const RESTART_DELAY = 100;
const READY_LIMIT = 60;
const STOP_LIMIT = 30_000;

/** Every process that runs. */
const processes = new Set<ChildProcess>();
let haveEnded = false;

/** Ends every process of every replica, and no other one comes after it. */
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
}

/** One `authmq serve`; when its process dies another one is started, as a service manager does. */
export class Replica {
  readonly #options: ReplicaOptions;
  readonly #log: string;
  /** How its processes ended that nobody had asked to end: with a code, or by another signal than SIGKILL. */
  readonly faults: string[] = [];
  #child: ChildProcess | undefined;
  #offset = 0;
  #kept = false;
  #kills = 0;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.#log = join(options.folder, `${options.name}.log`);
  }

  /** How many of its processes were ended by SIGKILL. */
  get kills(): number {
    return this.#kills;
  }

  /** Starts it and resolves when it serves. */
  async start(): Promise<void> {
    this.#kept = true;
    this.#launch();
    await this.ready();
  }

  /** Resolves when the process that runs now, or a later one, serves. */
  async ready(): Promise<void> {
    const isReady = (): boolean => isRunning(this.#child) && this.#said().includes('"msg":"ready"');
    await waitUntil(`${this.#options.name} ready`, isReady, { seconds: READY_LIMIT }).catch(
      (cause: unknown) => {
        throw new Error(`a worker does not serve:\n${this.lastWords()}`, { cause });
      },
    );
  }

  /** Ends its process as the operating system does in need; it comes back by itself. */
  kill(): void {
    this.#signal("SIGKILL");
  }

  /** Ends it for good, as a machine that loses its power. */
  async crash(): Promise<void> {
    this.#kept = false;
    if (this.#child !== undefined) await endGroup(this.#child);
  }

  /** Stops all of its threads where they are. */
  freeze(): void {
    this.#signal("SIGSTOP");
  }

  /** Lets it go on as if nothing had happened. */
  thaw(): void {
    this.#signal("SIGCONT");
  }

  /** Asks it to stop and gives its exit code; a process that does not is ended, which gives null. */
  async stop(): Promise<number | null> {
    this.#kept = false;
    const child = this.#child;
    if (child === undefined || !isRunning(child)) return null;
    const gone = once(child, "exit") as Promise<[number | null]>;
    child.kill("SIGTERM");
    const ended = await Promise.race([gone, sleep(STOP_LIMIT, undefined, { ref: false })]);
    if (ended !== undefined) return ended[0];
    this.faults.push(`did not stop within ${STOP_LIMIT / 1000} s`);
    await endGroup(child);
    return null;
  }

  /** The last lines of its log. */
  lastWords(): string {
    return readFileSync(this.#log, "utf8").trimEnd().split("\n").slice(-5).join("\n");
  }

  #signal(signal: NodeJS.Signals): void {
    if (isRunning(this.#child)) this.#child?.kill(signal);
  }

  #launch(): void {
    if (haveEnded) return;
    const { scratch, folder, plan } = this.#options;
    const log = openSync(this.#log, "a");
    this.#offset = statSync(this.#log).size;
    const child = spawn(process.execPath, ["--import", HOOK, CLI, "serve"], {
      cwd: folder,
      // In a group of its own and known to the scratch's reaper: it ends however this process ends.
      detached: true,
      env: {
        PATH: process.env["PATH"],
        CHAOS_PLAN: JSON.stringify(plan),
        NODE_COMPILE_CACHE: join(scratch.folder, "compiled"),
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
      if (signal !== "SIGKILL") this.faults.push(`ended with ${code ?? String(signal)}\n${this.lastWords()}`);
      setTimeout(() => {
        if (this.#kept) this.#launch();
      }, RESTART_DELAY);
    });
  }

  #said(): string {
    return readFileSync(this.#log).subarray(this.#offset).toString();
  }
}

function isRunning(child: ChildProcess | undefined): boolean {
  return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
}
