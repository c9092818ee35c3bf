import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createPasswords } from "../../src/auth/password.ts";
import { generateSecret } from "../../src/config/generate-key.ts";
import { parseConfig } from "../../src/config/load.ts";
import { SECTIONS } from "../../src/config/schema.ts";
import { openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { ensureGroup, ensureMember } from "../../src/db/queries/groups.ts";
import { createUser } from "../../src/db/queries/users.ts";
import { createIssuer } from "../../src/tokens/issuer.ts";
import { insertSession } from "../support/session-row.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import type { DatabaseServer } from "../support/servers/database.ts";
import type { Scratch } from "../support/servers/scratch.ts";
import { type Failover, startFailover } from "./failover.ts";
import { type Delivery, parseDeliveries } from "./history.ts";
import type { KnownUser } from "./intents.ts";
import type { Fact } from "./request-history.ts";
import type { BrokerAccess } from "./link.ts";
import type { KillPlan } from "./plan.ts";
import { Replica } from "./replica.ts";
import type { TestBroker } from "./test-broker.ts";
import { createMariaStore, createSqliteStore, type ChaosDatabase, type Store } from "./stores.ts";

/** The servers that faults affect. */
export interface Servers {
  readonly scratch: Scratch;
  readonly broker: TestBroker;
  readonly database: DatabaseServer;
  /** The nodes of the database, `database` among them: more than one in a Galera cluster. */
  readonly databases: readonly DatabaseServer[];
}

/** The installation of one scenario: replicas behind proxies, with their own vhost and database. */
export interface ChaosSetup extends AsyncDisposable {
  readonly servers: Servers;
  readonly vhost: string;
  /** The broker user of the workers. */
  readonly workerUser: string;
  readonly store: Store;
  readonly replicas: readonly [Replica, Replica];
  /** Between the workers and each broker node. */
  readonly brokerProxies: readonly Proxy[];
  /** Between the workers and the database server, unless it is a cluster. */
  readonly databaseProxy: Proxy;
  /** Between each worker and the nodes of a database cluster; empty for a single server. */
  readonly failovers: readonly Failover[];
  readonly adminToken: string;
  /** A user that no request changes. */
  readonly bystander: KnownUser;
  /** The content of the database at the start. */
  readonly initial: readonly Fact[];
  /** The broker's address for callers, without a proxy. */
  readonly access: BrokerAccess;
  /** Lets the hook kill workers, until `disarm`. */
  arm(): void;
  disarm(): void;
  /** Reads all stages that the workers recorded. */
  readDeliveries(): Delivery[];
}

interface SetupOptions {
  readonly database: ChaosDatabase;
  readonly kill: KillPlan | undefined;
  /** Overrides of `amqp_settings`. */
  readonly amqp: Readonly<Record<string, unknown>>;
}

/** `sessions_per_user` of the workers. */
export const SESSIONS_PER_USER = 2;

const ROOT = { username: "root", email: "root@example.com" };
const BYSTANDER: KnownUser = {
  username: "bystander",
  password: "not changed",
  email: "bystander@example.com",
  groups: [],
};

/** Creates an installation; its workers are ready when this resolves. */
export async function openSetup(servers: Servers, options: SetupOptions): Promise<ChaosSetup> {
  const { scratch, broker, database, databases } = servers;
  const vhost = `chaos-${randomBytes(5).toString("hex")}`;
  const workerUser = `worker-${vhost}`;
  const password = randomBytes(12).toString("hex");
  const folder = scratch.subfolder(vhost);
  const store =
    options.database === "sqlite"
      ? createSqliteStore(join(folder, "authmq.db"))
      : await createMariaStore(database, { isCluster: databases.length > 1 });
  await broker.addVhost(vhost, { name: workerUser, password });
  const brokerProxies = await Promise.all(broker.nodes.map(({ port }) => startProxy(port)));
  const databaseProxy = await startProxy(database.port);
  // Each worker prefers another node.
  const failovers =
    databases.length > 1
      ? await Promise.all([0, 1].map((first) => startFailover(rotate(databases, first))))
      : [];
  const config = {
    jwt_creation: { issuer: "authmq", signmethod: "EdDSA", secret: newKey() },
    db_settings: store.settings(databaseProxy.port),
    amqp_settings: {
      host: "127.0.0.1",
      port: brokerProxies[0]?.port,
      username: workerUser,
      password,
      vhost,
      heartbeat: 2,
      ...options.amqp,
      ...(brokerProxies.length > 1 ? { host: brokerProxies.map(({ port }) => `127.0.0.1:${port}`) } : {}),
    },
    app_config: { bcrypt_cost: 4, sessions_per_user: SESSIONS_PER_USER, session_renewal_time: 60 },
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config), { mode: 0o600 });
  const { adminToken } = await prepareDatabase(config);
  await store.watch();
  const trace = join(folder, "trace");
  const armed = join(folder, "armed");
  writeFileSync(trace, "");
  const plan = { trace, kill: options.kill, armed };
  const replicas = [
    new Replica({ scratch, name: "first", folder, plan, env: reach(failovers[0]) }),
    new Replica({ scratch, name: "second", folder, plan, env: reach(failovers[1]) }),
  ] as const;
  await Promise.all(replicas.map((replica) => replica.start())).catch(async (error: unknown) => {
    await Promise.all(replicas.map((replica) => replica.crash()));
    throw error;
  });
  return {
    servers,
    vhost,
    workerUser,
    store,
    replicas,
    brokerProxies,
    databaseProxy,
    failovers,
    adminToken,
    bystander: BYSTANDER,
    initial: [
      [`user ${ROOT.username}`, ROOT.email],
      [`user ${BYSTANDER.username}`, BYSTANDER.email],
      ["group admin", "exists"],
      [`member ${ROOT.username} admin`, "exists"],
    ],
    access: {
      ports: broker.nodes.map(({ port }) => port),
      username: broker.username,
      password: broker.password,
      vhost,
    },
    arm: () => writeFileSync(armed, ""),
    disarm: () => rmSync(armed, { force: true }),
    readDeliveries: () => (existsSync(trace) ? parseDeliveries(readFileSync(trace, "utf8")) : []),
    async [Symbol.asyncDispose]() {
      await Promise.all(replicas.map((replica) => replica.crash()));
      await Promise.all(
        [...brokerProxies, databaseProxy, ...failovers].map((proxy) => proxy[Symbol.asyncDispose]()),
      );
      await broker.removeVhost(vhost, workerUser);
      await store.drop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function rotate<T>(list: readonly T[], by: number): T[] {
  return [...list.slice(by), ...list.slice(0, by)];
}

/** The variable that sends a worker to a relay. */
function reach(failover: Failover | undefined): Record<string, string> {
  return failover === undefined ? {} : { AUTHMQ__DB_SETTINGS__PORT: String(failover.port) };
}

function newKey(): { type: string; value: string } {
  return { type: "base64key", value: Buffer.from(generateSecret("EdDSA").secret).toString("base64") };
}

/** Creates the schema, the initial users, and an administrator's access token. */
async function prepareDatabase(raw: {
  jwt_creation: object;
  db_settings: Record<string, unknown>;
}): Promise<{ adminToken: string }> {
  const { jwt_creation, db_settings } = raw;
  const config = parseConfig({ jwt_creation, db_settings }, { keys: true, env: {}, folder: "/" });
  await migrate(config.db);
  await using db = openDatabase(config.db);
  const passwords = createPasswords(SECTIONS.app_config.parse({ bcrypt_cost: 4 }));
  const add = async ({ username, email }: { username: string; email: string }): Promise<void> => {
    const password_hash = await passwords.hash(BYSTANDER.password, () => false);
    await createUser(db, { username, email, password_hash, auth_type: "LOCAL", activated: true });
  };
  await add(ROOT);
  await add(BYSTANDER);
  await ensureGroup(db, "admin");
  await ensureMember(db, "admin", ROOT.username);
  if (config.signing === undefined) throw new Error("the configuration has no signing key");
  const issuer = await createIssuer(config.signing);
  const sid = await insertSession(db, ROOT.username);
  const root = { username: ROOT.username, groups: ["admin"] };
  return { adminToken: issuer.signAccessToken(root, { grant: { sid }, vhost: "prod", lifetime: 3600 }) };
}
