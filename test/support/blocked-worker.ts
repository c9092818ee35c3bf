import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, constants, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { ask } from "../observability/endpoints.ts";
import { folderWith } from "./cli.ts";
import { scratchFolder } from "./scratch-folder.ts";
import { connectRaw, type RawCaller } from "./raw-caller.ts";
import { Scratch, waitUntil } from "./servers/scratch.ts";
import { provision } from "./worker.ts";

const CLI = resolve(import.meta.dirname, "../../src/cli.ts");

/** A pipe that is read only when a test calls `read`. */
export interface Pipe extends Disposable {
  readonly path: string;
  /** For a child's stdio; blocks when the pipe is full, like a shell's pipes. */
  readonly writer: number;
  /** Reads everything that is in the pipe now. */
  read(): string;
}

/** Creates a FIFO. */
export function createPipe(): Pipe {
  const path = join(scratchFolder, `${randomUUID()}.fifo`);
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, "w");
  const buffer = Buffer.alloc(1024 * 1024);
  return {
    path,
    writer,
    read() {
      let text = "";
      try {
        for (let count = -1; count !== 0; ) {
          count = readSync(reader, buffer);
          text += buffer.toString("utf8", 0, count);
        }
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
      }
      return text;
    },
    [Symbol.dispose]() {
      closeSync(reader);
      closeSync(writer);
      rmSync(path); // the search for secrets must not block on it
    },
  };
}

/** A worker process whose log may be blocked. */
export interface BlockedWorker extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly port: number;
  readonly cwd: string;
  readonly caller: RawCaller;
  /** Sends `count` requests, whose log lines are some 600 characters each, and waits for all replies. */
  flood(count: number): Promise<void>;
  /** Sends SIGTERM; returns the exit code and the duration in milliseconds. */
  terminate(pid?: number): Promise<{ readonly code: number | null; readonly ms: number }>;
}

interface Options {
  /** Destination of its stderr. */
  readonly stderr: number | "pipe";
  readonly log?: Record<string, unknown>;
  /** A command that runs `authmq serve` instead of this process. */
  readonly wrap?: (command: readonly string[]) => readonly [string, ...string[]];
}

const LONG = "x".repeat(120);

/** Starts `authmq serve` and waits until it is ready. */
export async function startBlockedWorker({ stderr, log = {}, wrap }: Options): Promise<BlockedWorker> {
  const scratch = new Scratch();
  const port = await scratch.freePort();
  const { raw, vhost, cleanUp } = await provision({
    config: { health_settings: { port }, log_settings: { level: "info", ...log } },
  });
  const cwd = folderWith(raw);
  const command = [process.execPath, CLI, "serve", "--migrate"] as const;
  const [file, ...rest] = wrap?.(command) ?? command;
  const env = { ...process.env };
  delete env["AUTHMQ_CONFIG"];
  const child = spawn(file, rest, { cwd, env, stdio: ["ignore", stderr, stderr] });
  const ended = once(child, "exit") as Promise<[number | null]>;
  const died = () => (child.exitCode === null ? undefined : `exit ${child.exitCode}`);
  const end = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await ended;
    await scratch.close();
    await cleanUp();
  };
  const isReady = async () =>
    (await ask(port, "/readyz").catch(() => undefined))?.status === 200 ? true : undefined;
  await waitUntil("readiness", isReady, { seconds: 120, died }).catch(async (error: unknown) => {
    await end();
    throw error;
  });
  const caller = await connectRaw(vhost.url);
  let sent = 0;
  return {
    child,
    port,
    cwd,
    caller,
    async flood(count) {
      for (let index = 0; index < count; index++) {
        const correlationId = `${sent++}-${LONG}`;
        caller.publish("user_get", "{}", { correlationId, appId: LONG });
      }
      await waitUntil("all replies", () => (caller.replies.length >= sent ? true : undefined), {
        seconds: 60,
      });
    },
    async terminate(pid = child.pid) {
      const since = performance.now();
      if (pid !== undefined) process.kill(pid, "SIGTERM");
      const [code] = await ended;
      return { code, ms: performance.now() - since };
    },
    async [Symbol.asyncDispose]() {
      await caller[Symbol.asyncDispose]();
      await end();
    },
  };
}

/** The only child of a process; undefined if there is none. */
export function childOf(pid: number | undefined): number | undefined {
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
    return child === undefined || child === "" ? undefined : Number(child);
  } catch {
    return undefined;
  }
}

/** Whether a process has ended, or is a zombie. */
export function hasEnded(pid: number | undefined): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ");
  } catch {
    return true;
  }
}
