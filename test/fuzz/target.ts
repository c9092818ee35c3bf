import { once } from "node:events";
import { createPasswords } from "../../src/auth/password.ts";
import { type Config, parseConfig } from "../../src/config/load.ts";
import { openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { insertApiKey } from "../../src/db/queries/api-keys.ts";
import { insertMember, insertGroup } from "../../src/db/queries/groups.ts";
import { createUser } from "../../src/db/queries/users.ts";
import { digestOfApiKey } from "../../src/tokens/api-key.ts";
import type { QueueName } from "../../src/wire/queues.ts";
import { folderWith, startCli } from "../support/cli.ts";
import { type DatabaseKind, provision } from "../support/worker.ts";
import { type FuzzCaller, connectCaller, type FuzzReply } from "./caller.ts";
import { type DatabaseSnapshots, openSnapshots } from "./snapshots.ts";
import { type WorkerLog, readLog } from "./worker-log.ts";
import type { Properties } from "./message.ts";
import { API_KEYS, GROUPS, PASSWORDS, USERS } from "./users.ts";
import { BOUND_IP, issueFuzzTokens, type FuzzTokens } from "./issued-tokens.ts";
import type { Variant } from "./variants.ts";

/** Time to wait for a reply, in milliseconds: a worker replies within nine seconds. */
const REPLY_TIMEOUT = 15_000;

/** A worker in its own process, with its database, users, tokens and a caller. */
export interface FuzzTarget extends AsyncDisposable {
  readonly name: string;
  readonly database: DatabaseKind;
  readonly config: Config;
  readonly issuedTokens: FuzzTokens;
  readonly snapshots: DatabaseSnapshots;
  readonly caller: FuzzCaller;
  readonly log: WorkerLog;
  /** Publishes to a queue, and returns the first reply, or undefined after the timeout. */
  send(
    slot: number,
    workflow: QueueName,
    message: { properties: Properties; body: Uint8Array },
    timeout?: number,
  ): Promise<FuzzReply | undefined>;
  /** Why the worker has ended; undefined while it runs. */
  ended(): string | undefined;
}

/** Starts a worker of a variant on a database, with this number of slots. */
export async function startFuzzTarget(
  variant: Variant,
  database: DatabaseKind,
  slots: number,
): Promise<FuzzTarget> {
  const { raw, vhost, cleanUp } = await provision({ database, config: variant.config });
  const folder = folderWith(raw);
  const config = parseConfig(raw, { keys: true, env: {}, folder });
  await migrate(config.db);
  await createUsers(config);
  const child = startCli(["serve"], { cwd: folder });
  child.stdout.resume();
  const log = readLog(child.stderr);
  await log.waitFor('"ready"');
  const caller = await connectCaller(vhost.url, slots);
  const snapshots = await openSnapshots(config.db);
  const send: FuzzTarget["send"] = (slot, workflow, message, timeout = REPLY_TIMEOUT) =>
    caller.send(slot, config.queues.get(workflow) ?? workflow, message, timeout);
  const login = async (username: string, ip = "*"): Promise<string> => {
    const body = Buffer.from(JSON.stringify({ username, password: PASSWORDS[username], ip }));
    const reply = await send(0, "login", { properties: {}, body });
    const { resp_data } = JSON.parse(reply?.content.toString() ?? "") as { resp_data: { id_token?: string } };
    if (resp_data.id_token === undefined) throw new Error(`${username} cannot log in`);
    return resp_data.id_token;
  };
  const sessions = {
    revoked: await login("alice"),
    session: await login("alice"),
    "bound-session": await login("Carol", BOUND_IP),
    "off-session": await login("bobby"),
    "root-session": await login("root"),
  };
  await snapshots.execute("update `user` set activated = 0 where username = 'bobby'");
  await snapshots.begin();
  caller.empty();
  return {
    name: `${variant.name} on ${database}`,
    database,
    config,
    issuedTokens: await issueFuzzTokens(config, variant, sessions),
    snapshots,
    caller,
    log,
    send,
    ended: () =>
      child.exitCode === null && child.signalCode === null ? undefined : `it exited with ${child.exitCode}`,
    async [Symbol.asyncDispose]() {
      await caller[Symbol.asyncDispose]();
      const isRunning = child.exitCode === null && child.signalCode === null;
      const exited = isRunning ? once(child, "exit") : undefined;
      child.kill("SIGTERM");
      await exited;
      await snapshots.close();
      await cleanUp();
    },
  };
}

async function createUsers({ db: settings, app }: Config): Promise<void> {
  await using db = openDatabase(settings);
  const passwords = createPasswords(app);
  for (const group of GROUPS) await insertGroup(db, group);
  for (const { username, groups, auth_type } of USERS) {
    const password = PASSWORDS[username];
    const password_hash = password === undefined ? null : await passwords.hash(password, () => false);
    const email = `${username}@example.com`;
    // Users who are deactivated later log in first.
    await createUser(db, { username, password_hash, auth_type, email, activated: true });
    for (const group of groups) await insertMember(db, group, username);
  }
  for (const { id, username, text, isExpired } of Object.values(API_KEYS)) {
    const key = {
      id: BigInt(id),
      name: "of the fuzzer",
      groups: null,
      vhost: "prod",
      created_at: new Date(),
    };
    const rest = {
      key_hash: Buffer.from(digestOfApiKey(text), "hex"),
      expires_at: isExpired ? new Date(Date.now() - 1000) : null,
    };
    await db.transaction().execute((trx) => insertApiKey(trx, username, { ...key, ...rest }));
  }
}
