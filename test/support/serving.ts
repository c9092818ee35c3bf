import { once } from "node:events";
import { folderWith, startCli } from "./cli.ts";
import { Scratch, waitUntil } from "./servers/scratch.ts";
import { UNTHROTTLED } from "./unthrottled.ts";
import { provision } from "./worker.ts";

/** `authmq serve` on its own vhost and database. */
export interface Serving extends AsyncDisposable {
  readonly child: ReturnType<typeof startCli>;
  readonly cwd: string;
  readonly url: string;
  readonly port: number;
  /** Everything that it has written to stderr so far. */
  stderr(): string;
  /** The log records with this message so far. */
  lines(msg: string): Record<string, unknown>[];
  /** Resolves when it has printed that it is ready. */
  ready(): Promise<void>;
  /** Resolves with its exit code and signal when it has ended. */
  readonly ended: Promise<readonly [code: number | null, signal: string | null]>;
}

/** Starts `authmq serve --migrate`, and resolves before it is ready; disposing ends it. */
export async function startServing({ config = {} }: Parameters<typeof provision>[0] = {}): Promise<Serving> {
  const scratch = new Scratch();
  const port = await scratch.freePort();
  const { raw, vhost, cleanUp } = await provision({
    config: { health_settings: { port }, ...config, app_config: { bcrypt_cost: 4, ...config["app_config"] } },
  });
  raw["app_config"] = { login_throttle: UNTHROTTLED, ...raw["app_config"] };
  const cwd = folderWith(raw);
  const child = startCli(["serve", "--migrate"], { cwd });
  const ended = once(child, "exit") as Promise<[number | null, string | null]>;
  let text = "";
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return {
    child,
    cwd,
    url: vhost.url,
    port,
    ended,
    stderr: () => text,
    lines: (msg) =>
      text
        .split("\n")
        .filter((line) => line.includes(`"msg":"${msg}"`))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    async ready() {
      const died = () => (child.exitCode === null ? undefined : text);
      const isReady = () => (/"msg":"ready"|^ready$/m.test(text) ? true : undefined);
      await waitUntil("ready", isReady, { seconds: 40, died });
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await ended;
      await scratch.close();
      await cleanUp();
    },
  };
}
