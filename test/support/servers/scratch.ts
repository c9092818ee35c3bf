import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { signalGroup, startTime } from "./process-table.ts";

/** From here on, the kernel assigns ports to outgoing connections, so a server must not use them. */
const FIRST_EPHEMERAL_PORT = 32_768;
const FIRST_PORT = 12_000;

/** One server of a run: a process or a container. */
export interface Server {
  /** Undefined in a container, and while it does not run. */
  readonly pid: number | undefined;
  start(): Promise<void>;
  /** Kills it with SIGKILL; resolves when it has ended. Does nothing if it does not run. */
  kill(): Promise<void>;
  /** The last lines of its log if it has ended by itself. */
  died(): string | undefined;
}

export interface ProcessOptions {
  /** Name of the log file. */
  name: string;
  /** The complete environment of the process: it inherits no variables. */
  env: NodeJS.ProcessEnv;
}

/**
 * One folder in the system's temporary folder, and the processes that use it. Both are removed when `close()` resolves,
 * and within seconds when this process ends without it, by any signal.
 */
export class Scratch {
  readonly folder = mkdtempSync(join(tmpdir(), "authmq-"));
  readonly #claims: string;
  readonly #reaper: ChildProcess;
  readonly #children = new Set<ChildProcess>();
  readonly #containers = new Map<string, () => Promise<void>>();
  #closing: Promise<void> | undefined;

  constructor() {
    // Test files of one run share the claims, so that no port is assigned twice.
    this.#claims = join(process.env["AUTHMQ_TEST_SCRATCH"] ?? this.folder, "ports");
    const script = fileURLToPath(new URL("./reaper.ts", import.meta.url));
    this.#reaper = spawn(process.execPath, [script], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
    this.#reaper.unref();
    if (this.#reaper.stdin instanceof Socket) this.#reaper.stdin.unref();
    this.#reaper.stdin?.on("error", () => undefined); // a run can continue without its reaper
    this.#reaper.on("error", () => undefined);
    this.#tell("dir", this.folder);
  }

  /** A free port on 127.0.0.1 that no other caller of this run has. */
  async freePort(): Promise<number> {
    mkdirSync(this.#claims, { recursive: true });
    for (let attempt = 0; attempt < 1_000; attempt++) {
      const port = FIRST_PORT + Math.floor(Math.random() * (FIRST_EPHEMERAL_PORT - FIRST_PORT));
      if (claim(join(this.#claims, String(port))) && (await isFree(port))) return port;
    }
    throw new Error(`no free port between ${FIRST_PORT} and ${FIRST_EPHEMERAL_PORT}`);
  }

  /** Creates a folder in the scratch folder and returns its path. */
  subfolder(name: string): string {
    const folder = join(this.folder, name);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** A server as a process in its own session, so that Ctrl-C in the terminal does not reach it. */
  process(command: string, args: readonly string[], options: ProcessOptions): Server {
    let child: ChildProcess | undefined;
    return {
      get pid() {
        return child && isRunning(child) ? child.pid : undefined;
      },
      start: async () => {
        child = this.#launch(command, args, options);
        await once(child, "spawn");
      },
      kill: async () => {
        if (child) await endGroup(child);
      },
      died: () => (child && !isRunning(child) ? lastLines(this.#log(options)) : undefined),
    };
  }

  /** Runs a command to its end; throws with the last lines of its log if it fails. */
  async run(command: string, args: readonly string[], options: ProcessOptions): Promise<void> {
    const [code] = (await once(this.#launch(command, args, options), "exit")) as [number | null];
    if (code !== 0) throw new Error(`${command} failed\n${lastLines(this.#log(options))}`);
  }

  /** Removes a container with this scratch folder. Call it before the container is started. */
  adoptContainer(name: string, remove: () => Promise<void>): void {
    this.#tell("container", name);
    this.#containers.set(name, remove);
  }

  /** Ends the process group of a detached child with this scratch folder, by the reaper if this process cannot. */
  registerProcess(child: ChildProcess): void {
    this.#children.add(child);
    if (child.pid !== undefined) this.#tell("pid", child.pid, startTime(child.pid));
  }

  /** Ends every process and container, and removes the folder. May be called twice; nothing can start after it. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled([
      ...Array.from(this.#children, (child) => endGroup(child)),
      ...Array.from(this.#containers.values(), (remove) => remove()),
    ]);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    this.#tell("done");
    this.#reaper.stdin?.end();
    if (isRunning(this.#reaper)) {
      this.#reaper.ref();
      await once(this.#reaper, "exit");
    }
  }

  #launch(command: string, args: readonly string[], options: ProcessOptions): ChildProcess {
    if (this.#closing) throw new Error(`${command} cannot start: the run is ending`);
    const log = openSync(this.#log(options), "a");
    const child = spawn(command, args, {
      cwd: this.folder,
      detached: true,
      env: options.env,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.registerProcess(child);
    return child;
  }

  #log({ name }: ProcessOptions): string {
    return join(this.folder, `${name}.log`);
  }

  #tell(...words: (string | number)[]): void {
    this.#reaper.stdin?.write(`${words.join("\t")}\n`);
  }
}

/** Ends a detached child and its process group; resolves when the child has ended. */
export async function endGroup(child: ChildProcess, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
  if (child.pid === undefined) return;
  const exited = isRunning(child) ? once(child, "exit") : undefined;
  signalGroup(child.pid, exited ? startTime(child.pid) : "", signal);
  await exited;
}

/**
 * Calls `probe` every 25 ms until it returns something; ignores its errors. Fails after `seconds`, and immediately when
 * `died` returns a reason.
 */
export async function waitUntil<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  { seconds = 60, died = (): string | undefined => undefined } = {},
): Promise<T> {
  const end = Date.now() + seconds * 1_000;
  let cause: unknown;
  while (Date.now() < end) {
    const reason = died();
    if (reason !== undefined) throw new Error(`${what}: it has ended\n${reason}`);
    try {
      const result = await probe();
      if (result !== undefined && result !== false) return result;
    } catch (error) {
      cause = error;
    }
    await sleep(25);
  }
  throw new Error(`${what}: not within ${seconds} s`, { cause });
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

function claim(file: string): boolean {
  try {
    closeSync(openSync(file, "wx"));
    return true;
  } catch {
    return false;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

function lastLines(file: string): string {
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-20).join("\n");
}
