import { once } from "node:events";
import { createInterface } from "node:readline";
import { createPasswords } from "../../src/auth/password.ts";
import { connectRpc, type RpcClient } from "../../src/client/rpc-client.ts";
import { parseConfig } from "../../src/config/load.ts";
import { openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createUser } from "../../src/db/queries/users.ts";
import type { AuthType } from "../../src/db/tables.ts";
import packageJson from "../../package.json" with { type: "json" };
import { folderWith, startCli } from "../support/cli.ts";
import { provision } from "../support/worker.ts";

/** A worker in its own process, on MariaDB. */
export interface ServedWorker extends AsyncDisposable {
  readonly client: RpcClient;
  /** Returns the data of a reply with 200; throws on any other reply. */
  call(queue: string, request: object): Promise<Record<string, unknown>>;
}

/** A user who exists before the worker starts: by default local and activated. */
export interface NewRow {
  readonly username: string;
  /** A password to hash with the configured settings, or a hash. */
  readonly password_hash: string | Uint8Array | null;
  readonly auth_type?: AuthType;
  readonly activated?: boolean;
}

/** A running `authmq serve`. */
export interface BenchWorker {
  readonly pid: number;
  /** Time until it was ready, in milliseconds. */
  readonly startedIn: number;
  /** Ends it with SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
}

/** Node options that `npm run authmq` uses for a worker. */
const USUAL_FLAGS = /node (.*) src/.exec(packageJson.scripts.authmq)?.[1]?.split(" ") ?? [];

/** Starts `authmq serve` in its own process, from source or from the build; `node` are options of Node. */
export async function startServe(
  raw: object,
  { node = USUAL_FLAGS, built = false }: { node?: readonly string[]; built?: boolean } = {},
): Promise<BenchWorker> {
  const folder = folderWith(raw);
  const since = performance.now();
  const child = startCli(["serve"], { cwd: folder, node, built });
  let startedIn: number | undefined;
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    lines.push(line);
    if (!line.includes('"msg":"ready"')) continue;
    startedIn = performance.now() - since;
    break;
  }
  if (startedIn === undefined) throw new Error(`the worker ended before it was ready\n${lines.join("\n")}`);
  child.stderr.resume();
  return {
    pid: child.pid ?? 0,
    startedIn,
    async stop() {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
    },
  };
}

/** Starts `authmq serve` with sections that override the defaults; creates the users before. */
export async function serve(
  config: Record<string, Record<string, unknown>>,
  users: readonly NewRow[] = [],
): Promise<ServedWorker> {
  const { raw, cleanUp } = await provision({ database: "mysql", config });
  const { app, db, amqp } = parseConfig(raw, { keys: false, env: {}, folder: "." });
  await migrate(db);
  {
    await using database = openDatabase(db);
    const passwords = createPasswords(app);
    for (const { username, password_hash: secret, auth_type = "LOCAL", activated = true } of users) {
      const password_hash = typeof secret === "string" ? await passwords.hash(secret, () => false) : secret;
      const email = `${username}@example.com`;
      await createUser(database, { username, password_hash, auth_type, email, activated });
    }
  }
  const served = await startServe(raw);
  const client = await connectRpc(amqp);
  return {
    client,
    async call(queue, request) {
      const reply = await client.call(queue, JSON.stringify(request), 30_000);
      if (reply.resp_code !== 200) throw new Error(`${queue}: ${JSON.stringify(reply)}`);
      return reply.resp_data as Record<string, unknown>;
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await served.stop();
      await cleanUp();
    },
  };
}
