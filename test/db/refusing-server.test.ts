import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { type Connection, createConnection } from "mysql2/promise";
import { connectionsOf } from "../support/connections-of.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { type OwnDatabase, useOwnServer } from "./own-server.ts";
import { assertAllServed, assertAllUnavailable, canLogIn, wrongReplies, startServed } from "./requests.ts";
import { startSwitch } from "./switch.ts";

/** Requests that a read-only server can still answer. */
const READS = ["user_get", "group_all"];

const server = useOwnServer();
const standby = useOwnServer();
afterEach(() => server.restoreSettings());

interface ConnectionHolder extends AsyncDisposable {
  readonly size: number;
  /** Opens connections that have become free. */
  fill(): Promise<void>;
}

/** Opens all connections that are left for users without server privileges. */
async function takeAllConnections({ user, password }: OwnDatabase): Promise<ConnectionHolder> {
  const { host, port } = server.database;
  const connections: Connection[] = [];
  const fill = async (): Promise<void> => {
    for (;;) {
      try {
        connections.push(await createConnection({ host, port, user, password }));
      } catch (error) {
        assert.equal((error as { errno?: number }).errno, 1040);
        return;
      }
    }
  };
  await fill();
  return {
    get size() {
      return connections.length;
    },
    fill,
    async [Symbol.asyncDispose]() {
      await Promise.all(connections.map((connection) => connection.end()));
    },
  };
}

test("a read-only server makes writes 503, answers reads, and is used again when it accepts writes", async () => {
  await using served = await startServed(await server.createDatabase());
  await server.set("read_only", 1);
  await assertAllUnavailable(served, { times: 5, except: READS });
  for (const [queue, request] of served.requests.filter(([name]) => READS.includes(name))) {
    const { resp_code } = await served.worker.call(queue, request);
    assert.ok([200, 204].includes(resp_code), `${queue}: ${resp_code}`);
  }
  await server.restoreSettings();
  await assertAllServed(served);
  assert.deepEqual(wrongReplies(served), []);
});

test("connections to a server that became read-only are replaced by ones to its successor", async () => {
  const database = await server.createDatabase();
  const successor = await standby.createDatabase(database);
  await (await startServed(successor))[Symbol.asyncDispose](); // creates the same users there
  await using address = await startSwitch(database.port);
  await using served = await startServed({ ...database, port: address.port });
  // Several connections are open, all to the first server.
  await Promise.all(served.requests.map(([queue, request]) => served.worker.call(queue, request)));
  await server.set("read_only", 1);
  // The last use of a session is written after the reply.
  await assertAllUnavailable(served, { except: [...READS, "token"] });
  address.turn(successor.port);
  await waitUntil("a login on the successor", () => canLogIn(served), { seconds: 5 });
  const codes = await Promise.all(Array.from({ length: 20 }, () => canLogIn(served)));
  assert.ok(codes.every(Boolean), "every connection leads to the successor");
  assert.deepEqual(wrongReplies(served), []);
});

test("a server that became read-only is left even if all requests are for access tokens", async () => {
  const database = await server.createDatabase();
  const successor = await standby.createDatabase(database);
  await (await startServed(successor))[Symbol.asyncDispose]();
  await using address = await startSwitch(database.port);
  await using served = await startServed({ ...database, port: address.port });
  const [, request] = served.requests.find(([queue]) => queue === "token")!;
  const exchange = async (): Promise<number> => (await served.worker.call("token", request)).resp_code;
  assert.equal(await exchange(), 200);
  await server.set("read_only", 1);
  address.turn(successor.port);
  // The successor does not have the session: 401 shows that it answered.
  await waitUntil("the successor's answer", async () => (await exchange()) === 401, { seconds: 5 });
});

test("a user's groups are complete even if the server's group_concat_max_len is small", async () => {
  await server.set("group_concat_max_len", 64);
  await using served = await startServed(await server.createDatabase());
  const { worker } = served;
  const groups = Array.from({ length: 50 }, (_, index) => `group-${String(index).padStart(2, "0")}`);
  await worker.addUser("member", "correct horse", { groups });
  const access_token = await worker.accessToken("member");
  const { resp_data } = await worker.call("user_get", { username: "member", access_token });
  assert.deepEqual(resp_data["groups"], groups);
});

test("open connections serve all requests when the server accepts no more connections", async () => {
  await using served = await startServed(await server.createDatabase());
  await server.set("max_connections", 20);
  await using holder = await takeAllConnections(await server.createDatabase());
  assert.notEqual(holder.size, 0);
  const calls = Array.from({ length: 3 }, () => served.requests).flat();
  const replies = await Promise.all(calls.map(([queue, request]) => served.worker.call(queue, request)));
  for (const { resp_code } of replies) assert.ok([200, 204, 401, 409].includes(resp_code), `${resp_code}`);
});

test("requests are 503 at once while the server has no connection left", async () => {
  const database = await server.createDatabase();
  await using served = await startServed(database);
  await server.set("max_connections", 20);
  {
    await using holder = await takeAllConnections(await server.createDatabase());
    await waitUntil("all connections to be taken", async () => {
      await server.killSessions(database.user);
      await holder.fill();
      return (await connectionsOf(database.user, (text) => server.execute(text))).length === 0;
    });
    await assertAllUnavailable(served, { times: 5 });
  }
  await waitUntil("a login", () => canLogIn(served), { seconds: 5 });
  await assertAllServed(served);
  assert.deepEqual(wrongReplies(served), []);
});

test("a changed database password makes requests 503, and the log says what to check", async () => {
  const database = await server.createDatabase();
  await using served = await startServed(database);
  const setPassword = (password: string) =>
    server.execute(`alter user ${database.user}@'%' identified by '${password}'`);
  await setPassword("another one");
  await server.killSessions(database.user);
  await assertAllUnavailable(served);
  assert.match(served.worker.log.join(""), /Access denied .*check db_settings\.user and password/);
  await setPassword(database.password);
  await waitUntil("a login", () => canLogIn(served), { seconds: 5 });
  assert.deepEqual(wrongReplies(served), []);
});

test("a table that a restore has dropped makes requests 503 until it is back", async () => {
  const { database, ...access } = await server.createDatabase();
  await using served = await startServed({ database, ...access });
  await server.execute(`rename table ${database}.user to ${database}.gone`);
  await assertAllUnavailable(served, { except: ["group_all", "group_create"] });
  await server.execute(`rename table ${database}.gone to ${database}.user`);
  await assertAllServed(served);
  assert.deepEqual(wrongReplies(served), []);
});
