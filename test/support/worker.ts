import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Writable } from "node:stream";
import { createPasswords } from "../../src/auth/password.ts";
import { connectRpc, type RpcClient } from "../../src/client/rpc-client.ts";
import { generateSecret } from "../../src/config/generate-key.ts";
import { type Config, parseConfig } from "../../src/config/load.ts";
import { SECTIONS } from "../../src/config/schema.ts";
import { type Database, openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { insertMember, insertGroup } from "../../src/db/queries/groups.ts";
import { createUser } from "../../src/db/queries/users.ts";
import type { AuthType } from "../../src/db/tables.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createWorker, type Worker } from "../../src/worker.ts";
import "../secrets/note-logs.ts";
import { noteConfig, noteMessage, noteName, noteReply, noteSecret } from "../secrets/notes.ts";
import { noteTables } from "../secrets/tables.ts";
import { createDatabase, dropDatabase } from "./database.ts";
import { createPartner, type Partner } from "./partner.ts";
import { createVhost, deleteVhost } from "./rabbitmq.ts";
import { scratchFolder } from "./scratch-folder.ts";
import { parseSelection } from "./servers/selection.ts";

export type DatabaseKind = "sqlite" | "mysql";

/** The databases on which every behaviour is tested. SQLite is the same whatever SERVERS selects: it is tested once. */
export const DATABASES: readonly DatabaseKind[] =
  parseSelection().database.from === "stable" ? ["sqlite", "mysql"] : ["mysql"];

type Raw = Record<string, Record<string, unknown>>;

interface WorkerOptions {
  readonly database?: DatabaseKind;
  /** Settings that override the configuration, by section. */
  readonly config?: Raw;
}

interface UserOptions {
  readonly groups?: readonly string[];
  readonly activated?: boolean;
  readonly authType?: AuthType;
  readonly email?: string;
  /** bcrypt cost of the stored hash. */
  readonly cost?: number;
}

interface Reply {
  readonly resp_code: number;
  readonly resp_data: Record<string, unknown>;
}

/** A worker in this process with its own vhost and database, and functions to drive it. */
export interface TestWorker extends AsyncDisposable {
  /** The content of its configuration file. */
  readonly raw: Raw;
  readonly config: Config;
  readonly db: Database;
  readonly worker: Worker;
  /** AMQP URL of the vhost. */
  readonly url: string;
  readonly vhost: string;
  /** Every line that the worker has logged so far. */
  readonly log: readonly string[];
  call(queue: string, request: unknown, timeout?: number): Promise<Reply>;
  /** Creates a user directly in the database, with missing groups. */
  addUser(username: string, password: string, options?: UserOptions): Promise<void>;
  /** A new access token of another issuer, for a username, which need not exist. */
  accessToken(username: string, groups?: readonly string[]): Promise<string>;
  /** Logs in and returns the ID token; throws unless the reply is 200. */
  login(username: string, password: string, more?: object): Promise<string>;
  /** Logs in and exchanges the ID token for an access token. */
  ownToken(username: string, password: string, more?: object): Promise<string>;
  /** Starts another replica on the same queues and database; either processes a call. */
  startReplica(): Promise<Worker>;
}

/** Starts a worker, and resolves when it consumes; disposing removes its vhost and database. */
export async function startWorker(options: WorkerOptions = {}): Promise<TestWorker> {
  const { raw, cleanUp, vhost, partner } = await provision(options);
  const config = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
  await migrate(config.db);
  const log: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log.push(chunk.toString());
      done();
    },
  });
  const logger = createLogTo(sink, config.log.level);
  const worker = await createWorker(config, logger);
  await worker.start();
  const replicas: Worker[] = [];
  const db = openDatabase(config.db);
  const client: RpcClient = await connectRpc(config.amqp);

  const call = async (queue: string, request: unknown, timeout = 15_000): Promise<Reply> => {
    const body = JSON.stringify(request);
    noteMessage(body);
    const reply = (await client.call(queue, body, timeout)) as Reply;
    noteReply(Buffer.from(JSON.stringify(reply)));
    return reply;
  };

  const login = async (username: string, password: string, more = {}): Promise<string> => {
    const reply = await call("login", { username, password, ...more });
    if (reply.resp_code !== 200) throw new Error(`login: ${JSON.stringify(reply)}`);
    return reply.resp_data["id_token"] as string;
  };

  return {
    raw,
    config,
    db,
    worker,
    url: vhost.url,
    vhost: vhost.name,
    log,
    call,
    async addUser(
      username,
      password,
      { groups = [], activated = true, authType = "LOCAL", email, cost = 4 } = {},
    ) {
      noteName(username);
      noteSecret("password", password);
      const password_hash =
        authType === "LOCAL"
          ? await createPasswords(SECTIONS.app_config.parse({ bcrypt_cost: cost })).hash(
              password,
              () => false,
            )
          : null;
      const outcome = await createUser(db, {
        username,
        password_hash,
        auth_type: authType,
        email: email ?? `${username}@example.com`,
        activated,
      });
      if (outcome !== "created") throw new Error(`${username}: ${outcome}`);
      for (const group of groups) {
        await insertGroup(db, group);
        await insertMember(db, group, username);
      }
    },
    accessToken: async (username, groups) => partner.accessToken(username, groups),
    login,
    async ownToken(username, password, more) {
      const id_token = await login(username, password, more);
      const reply = await call("token", { id_token });
      if (reply.resp_code !== 200) throw new Error(`token: ${JSON.stringify(reply)}`);
      return reply.resp_data["access_token"] as string;
    },
    async startReplica() {
      const replica = await createWorker(config, logger);
      replicas.push(replica);
      await replica.start();
      return replica;
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await Promise.all([worker, ...replicas].map((one) => one.stop()));
      await db.destroy();
      await cleanUp();
    },
  };
}

/** The content of a configuration file for a new vhost and database, and a function that removes both. */
export async function provision({ database = "sqlite", config = {} }: WorkerOptions = {}): Promise<{
  raw: Raw;
  vhost: { name: string; url: string };
  /** An issuer that the installation trusts. */
  partner: Partner;
  cleanUp: () => Promise<void>;
}> {
  const vhost = await createVhost();
  const { hostname, port, username, password } = new URL(vhost.url);
  const server = database === "mysql" ? await createDatabase() : undefined;
  const file = join(scratchFolder, `${randomBytes(6).toString("hex")}.db`);
  const key = Buffer.from(generateSecret("EdDSA").secret).toString("base64");
  const base: Raw = {
    jwt_creation: { issuer: "authmq", signmethod: "EdDSA", secret: { type: "base64key", value: key } },
    db_settings: server === undefined ? { dialect: "sqlite", file } : { dialect: "mysql", ...server },
    amqp_settings: { host: hostname, port: Number(port), username, password, vhost: vhost.name },
    app_config: { bcrypt_cost: 4 },
    log_settings: { level: "debug" },
  };
  const raw = { ...base };
  for (const [section, keys] of Object.entries(config)) {
    raw[section] = Array.isArray(keys) ? keys : { ...base[section], ...keys };
  }
  const partner = await createPartner();
  const { jwt_validation: trusted = [] } = raw as { jwt_validation?: unknown };
  const withPartner = { ...raw, jwt_validation: [...[trusted].flat(), partner.entry] } as unknown as Raw;
  noteConfig(withPartner);
  return {
    raw: withPartner,
    vhost,
    partner,
    cleanUp: async () => {
      await noteTables(raw["db_settings"] ?? {});
      await deleteVhost(vhost.name);
      if (server !== undefined) await dropDatabase(server.database);
    },
  };
}
