import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createPasswords } from "../../src/auth/password.ts";
import { connectRpc, type RpcClient } from "../../src/client/rpc-client.ts";
import { parseConfig } from "../../src/config/load.ts";
import { openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createUser } from "../../src/db/queries/users.ts";
import type { AuthType } from "../../src/db/tables.ts";
import { newFolder, startCli } from "../support/cli.ts";
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
      const password_hash = typeof secret === "string" ? await passwords.hash(secret, () => true) : secret;
      const email = `${username}@example.com`;
      await createUser(database, { username, password_hash, auth_type, email, activated });
    }
  }
  const folder = newFolder();
  writeFileSync(join(folder, "config.json"), JSON.stringify(raw));
  const child = startCli(["serve"], { cwd: folder });
  for await (const line of createInterface({ input: child.stderr })) if (line.includes("ready")) break;
  child.stderr.resume();
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
      const gone = once(child, "exit");
      child.kill("SIGTERM");
      await gone;
      await cleanUp();
    },
  };
}
