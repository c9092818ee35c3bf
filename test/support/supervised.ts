import assert from "node:assert/strict";
import { once } from "node:events";
import { type Overview, overview } from "../observability/endpoints.ts";
import { folderWith, runCli, startCli } from "./cli.ts";
import { isRunning, startTime } from "./servers/process-table.ts";
import { Scratch, waitUntil } from "./servers/scratch.ts";
import { UNTHROTTLED } from "./unthrottled.ts";
import { provision } from "./worker.ts";

type Child = ReturnType<typeof startCli>;

interface Options {
  readonly args?: readonly string[];
  readonly config?: NonNullable<Parameters<typeof provision>[0]>["config"];
  readonly env?: object;
  readonly node?: readonly string[];
  /** In a process group of its own, as a shell starts it. */
  readonly detached?: boolean;
}

/** `authmq serve` with several processes, on a vhost and a database of its own. */
export interface Supervised extends AsyncDisposable {
  readonly supervisor: Child;
  readonly pid: number;
  readonly cwd: string;
  readonly url: string;
  readonly port: number;
  /** Everything that it and its processes have written on stderr so far. */
  said(): string;
  /** The lines with this text so far. */
  lines(msg: string): Record<string, unknown>[];
  /** What /readyz says, once it says that so many processes are ready. */
  serving(processes: number): Promise<Overview>;
  /** How it ended, once it has. */
  readonly ended: Promise<readonly [code: number | null, signal: string | null]>;
  /** Asserts that each process that was ever seen is gone, or will be within some seconds. */
  noneLeft(): Promise<void>;
}

/** Starts `authmq serve ARGS` and gives it back while it starts; whatever it started is gone after disposing of it. */
export async function startSupervised({
  args = ["--processes", "2", "--migrate"],
  config = {},
  env = {},
  node = [],
  detached = false,
}: Options = {}): Promise<Supervised> {
  const scratch = new Scratch();
  const port = await scratch.freePort();
  const { raw, vhost, cleanUp } = await provision({
    config: { health_settings: { port }, ...config, app_config: { bcrypt_cost: 4, ...config["app_config"] } },
  });
  raw["app_config"] = { login_throttle: UNTHROTTLED, ...raw["app_config"] };
  const cwd = folderWith(raw);
  const supervisor = startCli(["serve", ...args], { cwd, env, node, detached });
  const ended = once(supervisor, "exit") as Promise<[number | null, string | null]>;
  let text = "";
  supervisor.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const seen = new Map<number, string>();
  const left = () => [...seen].filter(([pid, start]) => start !== "" && isRunning(pid, start));
  return {
    supervisor,
    pid: supervisor.pid!,
    cwd,
    url: vhost.url,
    port,
    ended,
    said: () => text,
    lines: (msg) =>
      text
        .split("\n")
        .filter((line) => line.includes(`"msg":"${msg}"`))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    serving: (processes) =>
      waitUntil(
        `${processes} processes`,
        async () => {
          const state = await overview(port);
          for (const { pid = 0 } of state.processes)
            if (pid > 0 && !seen.has(pid)) seen.set(pid, startTime(pid));
          const ready = state.processes.filter(({ status }) => status === "ready");
          return ready.length === processes ? state : undefined;
        },
        { seconds: 20 },
      ),
    async noneLeft() {
      assert.ok(seen.size > 0, "no process was seen");
      await waitUntil("the end of all processes", () => left().length === 0, { seconds: 15 });
    },
    async [Symbol.asyncDispose]() {
      if (supervisor.exitCode === null && supervisor.signalCode === null) supervisor.kill("SIGKILL");
      await ended;
      for (const [pid] of left()) process.kill(pid, "SIGKILL");
      await scratch.close();
      await cleanUp();
    },
  };
}

/** Runs `authmq serve` with several processes to its end. */
export async function runSupervised(config: object, ...args: readonly string[]): ReturnType<typeof runCli> {
  return runCli(["serve", "--processes", "2", ...args], { cwd: folderWith(config) });
}
