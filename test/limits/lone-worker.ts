import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createPasswords } from "../../src/auth/password.ts";
import { connectRpc } from "../../src/client/rpc-client.ts";
import { type Config, parseConfig } from "../../src/config/load.ts";
import { openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createUser } from "../../src/db/queries/users.ts";
import { folderWith, startCli } from "../support/cli.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { provision } from "../support/worker.ts";

const MEGABYTE = 1024;

/** Memory of a process, in megabytes. */
export interface Memory {
  readonly now: number;
  /** Maximum since the last `forgetPeak`. */
  readonly peak: number;
}

interface Reply {
  readonly resp_code: number;
  readonly resp_data: Readonly<Record<string, unknown>>;
}

/** A worker in its own process, whose memory is measured from outside. */
export interface LoneWorker extends AsyncDisposable {
  readonly url: string;
  readonly config: Config;
  readonly memory: Memory;
  forgetPeak(): void;
  /** Calls with a timeout of one minute. */
  call(queue: string, request: object): Promise<Reply>;
  accessToken(username: string): Promise<string>;
}

interface LoneWorkerOptions {
  readonly appConfig: object;
  /** Passwords by username. */
  readonly users: Readonly<Record<string, string>>;
  /** Names of users who cannot log in. */
  readonly others?: readonly string[];
}

/** Starts `authmq serve` on SQLite. */
export async function startLoneWorker({
  appConfig,
  users,
  others = [],
}: LoneWorkerOptions): Promise<LoneWorker> {
  const { raw, vhost, partner, cleanUp } = await provision({
    config: { app_config: { ...appConfig }, log_settings: { level: "info" } },
  });
  const cwd = folderWith(raw);
  const config = parseConfig(raw, { keys: true, env: {}, folder: cwd });
  await migrate(config.db);
  await addUsers(config, users, others);
  const child = startCli(["serve"], { cwd });
  let log = "";
  // Only the beginning, because the test's own memory must not grow with the flood.
  child.stderr.on("data", (chunk: Buffer) => (log = (log + chunk.toString()).slice(0, 4000)));
  await waitUntil("ready", () => log.includes('"msg":"ready"'), {
    died: () => (child.exitCode === null ? undefined : log),
  });
  const client = await connectRpc(config.amqp);
  const read = (name: string): number => {
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / MEGABYTE;
  };
  return {
    url: vhost.url,
    config,
    get memory() {
      return { now: read("VmRSS"), peak: read("VmHWM") };
    },
    forgetPeak: () => writeFileSync(`/proc/${child.pid}/clear_refs`, "5"),
    accessToken: async (username) => partner.accessToken(username),
    call: async (queue, request) => (await client.call(queue, JSON.stringify(request), 60_000)) as Reply,
    async [Symbol.asyncDispose]() {
      await client.close();
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
      await cleanUp();
    },
  };
}

async function addUsers(
  { app, db }: Config,
  users: Readonly<Record<string, string>>,
  others: readonly string[],
): Promise<void> {
  await using database = openDatabase(db);
  const passwords = createPasswords(app);
  const add = async (username: string, password_hash: Uint8Array | null): Promise<void> => {
    const email = `${username}@example.com`;
    await createUser(database, { username, password_hash, auth_type: "LOCAL", email, activated: true });
  };
  for (const [username, password] of Object.entries(users))
    await add(username, await passwords.hash(password, () => false));
  for (const username of others) await add(username, null);
}
