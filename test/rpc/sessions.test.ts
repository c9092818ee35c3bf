import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connectKeyed, type KeyedCaller } from "../support/keyed-caller.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

const LONG_AGO = "2001-02-03 04:05:06.789";
const PASSWORD = "correct horse";

for (const database of DATABASES) {
  describe(`sessions with an idempotency key on ${database}`, () => {
    let worker: TestWorker;
    let caller: KeyedCaller;
    let count = 0;
    before(async () => {
      worker = await startWorker({ database, config: { app_config: { bcrypt_cost: 6 } } });
      await worker.startReplica();
      caller = await connectKeyed(worker);
    });
    after(async () => {
      await caller[Symbol.asyncDispose]();
      await worker[Symbol.asyncDispose]();
    });

    const newKey = (): string => `key-${count++}`;
    const newUser = async (): Promise<string> => {
      const username = `user-${count++}`;
      await worker.addUser(username, PASSWORD, { groups: ["dev"] });
      return username;
    };
    const login = async (key: string | undefined, request: object): Promise<string> => {
      const { resp_code, resp_data } = await caller.call(key, "login", request);
      return resp_code === 200
        ? (resp_data["id_token"] as string)
        : `${resp_code} ${String(resp_data["error"])}`;
    };
    const isActive = async (id_token: string): Promise<boolean> =>
      (await worker.call("token", { id_token })).resp_code === 200;

    test("login returns the same ID token for the same key, and a new one for another key or none", async () => {
      const username = await newUser();
      const [key, request] = [newKey(), { username, password: PASSWORD }];
      const token = await login(key, request);
      assert.deepEqual([await login(key, request), await login(key, request)], [token, token]);
      assert.equal(await isActive(token), true);
      const second = await login(newKey(), request);
      const third = await login(undefined, request);
      assert.equal(new Set([token, second, third]).size, 3);
      assert.deepEqual(
        [await isActive(token), await isActive(second), await isActive(third)],
        [false, false, true],
      );
    });

    test("a replayed login returns the same ID token even if the user's groups have changed", async () => {
      const username = await newUser();
      const [key, request] = [newKey(), { username, password: PASSWORD }];
      const token = await login(key, request);
      const access_token = await worker.accessToken("root", ["admin"]);
      await worker.call("group_create", { groupname: "later", access_token });
      for (const [queue, groupname] of [
        ["group_add_user", "later"],
        ["group_remove_user", "dev"],
      ] as const)
        assert.equal((await worker.call(queue, { username, groupname, access_token })).resp_code, 200);
      assert.equal(await login(key, request), token);
    });

    test("concurrent logins with one key return one ID token", async () => {
      const username = await newUser();
      const [key, request] = [newKey(), { username, password: PASSWORD }];
      const tokens = await Promise.all(Array.from({ length: 16 }, () => login(key, request)));
      assert.equal(new Set(tokens).size, 1);
      assert.equal(await isActive(tokens[0]!), true);
    });

    test("login with the same key and another body or password is 409, and the session stays active", async () => {
      const username = await newUser();
      const key = newKey();
      const token = await login(key, { username, password: PASSWORD });
      const others = [
        { username, password: "wrong" },
        { username, password: PASSWORD, ip: "192.0.2.1" },
        { username, password: PASSWORD, vhost: "other" },
        { username: await newUser(), password: PASSWORD },
      ];
      for (const request of others) assert.equal(await login(key, request), "409 IDEMPOTENCY_CONFLICT");
      assert.equal(await isActive(token), true);
      assert.equal(await login(key, { username, password: PASSWORD }), token);
    });

    test("concurrent logins with one key and different bodies start one session, and the others are 409", async () => {
      const username = await newUser();
      const key = newKey();
      const bodies = ["one", "two", "three"].map((vhost) => ({ username, password: PASSWORD, vhost }));
      const replies = await Promise.all(bodies.map((body) => login(key, body)));
      const refused = replies.filter((reply) => reply === "409 IDEMPOTENCY_CONFLICT");
      assert.equal(refused.length, 2, replies.join("\n"));
    });

    test("concurrent logins succeed while the password is rehashed at a higher cost", async () => {
      for (const key of [undefined, newKey()]) {
        const username = `user-${count++}`;
        await worker.addUser(username, PASSWORD, { cost: 4 });
        const request = { username, password: PASSWORD };
        const tokens = await Promise.all(Array.from({ length: 4 }, () => login(key, request)));
        for (const token of tokens) assert.equal(token.split(".").length, 3, token);
      }
    });

    test("a failed login can be retried with its key", async () => {
      const username = await newUser();
      const key = newKey();
      for (let round = 0; round < 2; round++)
        assert.equal(await login(key, { username, password: "wrong" }), "401 INVALID_CREDENTIALS");
      assert.equal((await login(key, { username, password: PASSWORD })).split(".").length, 3);
    });

    test("a replay does not restore a revoked session: it returns the same, revoked ID token", async () => {
      const access_token = await worker.accessToken("root", ["admin"]);
      const username = await newUser();
      const [key, request] = [newKey(), { username, password: PASSWORD }];
      const token = await login(key, request);
      const second = await login(undefined, request);
      assert.equal(await login(key, request), token);
      assert.deepEqual([await isActive(token), await isActive(second)], [false, true]);
      const change = await worker.call("user_change", { username, access_token, password: "another one" });
      assert.equal(change.resp_code, 200);
      assert.equal(await login(key, request), token);
      assert.deepEqual([await isActive(token), await isActive(second)], [false, false]);
      assert.equal(await login(newKey(), request), "401 INVALID_CREDENTIALS");
    });

    test("a key expires after 15 minutes, and the session does not", async () => {
      const username = await newUser();
      const [key, request] = [newKey(), { username, password: PASSWORD }];
      const token = await login(key, request);
      await worker.db.updateTable("rpc_inbox").set({ created_at: LONG_AGO }).execute();
      assert.equal(await isActive(token), true);
      assert.notEqual(await login(key, request), token);
      assert.equal(await isActive(token), false);
    });

    test("logout can be retried, with a key or without", async () => {
      const username = await newUser();
      const id_token = await login(undefined, { username, password: PASSWORD });
      const key = newKey();
      const first = await caller.call(key, "logout", { id_token });
      assert.equal(first.resp_code, 200);
      assert.deepEqual(await caller.call(key, "logout", { id_token }), first);
      assert.deepEqual(await caller.call(newKey(), "logout", { id_token }), first);
      assert.deepEqual(await caller.call(undefined, "logout", { id_token }), first);
      assert.equal((await caller.call(newKey(), "token", { id_token })).resp_code, 401);
    });

    test("logout with a key accepts only a valid token from its own address", async () => {
      const username = await newUser();
      const bound = await login(undefined, { username, password: PASSWORD, ip: "192.0.2.7" });
      const bad = { id_token: `${bound.slice(0, -6)}AAAAAA` };
      for (const request of [{ id_token: bound }, { id_token: bound, ip: "192.0.2.8" }, bad]) {
        assert.equal((await caller.call(newKey(), "logout", request)).resp_code, 401);
      }
      const good = { id_token: bound, ip: "192.0.2.7" };
      assert.equal((await caller.call(newKey(), "logout", good)).resp_code, 200);
      for (const request of [{ id_token: bound }, { id_token: bound, ip: "192.0.2.8" }, bad]) {
        assert.equal((await caller.call(newKey(), "logout", request)).resp_code, 401);
      }
    });
  });
}
