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

/** A worker in a process of its own, on MariaDB. */
export interface ServedWorker extends AsyncDisposable {
  readonly client: RpcClient;
  /** The data of a reply of 200; throws on any other. */
  call(queue: string, request: object): Promise<Record<string, unknown>>;
}

/** A user who is there before the worker starts: local and activated, unless it says otherwise. */
export interface NewRow {
  readonly username: string;
  /** A password to be hashed as is configured, or a hash. */
  readonly password_hash: string | Uint8Array | null;
  readonly auth_type?: AuthType;
  readonly activated?: boolean;
}

/** `authmq serve` that is ready. */
export interface BenchWorker {
  readonly pid: number;
  /** So long it took to be, in milliseconds. */
  readonly startedIn: number;
  /** Ends it as an operator does; resolves when it is gone. */
  stop(): Promise<void>;
}

/** Node's options that `npm run authmq` gives a worker. */
const USUAL_FLAGS = /node (.*) src/.exec(packageJson.scripts.authmq)?.[1]?.split(" ") ?? [];

/** Starts `authmq serve` with a configuration, in a process of its own, from source or as built; `node` are options of Node's. */
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
      const gone = once(child, "exit");
      child.kill("SIGTERM");
      await gone;
    },
  };
}

/** `authmq serve` with these sections laid over the usual ones; the users are made before it starts. */
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
