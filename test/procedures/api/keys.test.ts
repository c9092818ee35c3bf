import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { digestOfApiKey } from "../../../src/tokens/api-key.ts";
import { assertNeedsAccessToken, assertNeedsAdmin } from "../../support/access-rules.ts";
import { connectKeyed } from "../../support/keyed-caller.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

const PASSWORD = "correct horse battery";
const FORM = /^authmq_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/;

for (const database of DATABASES) {
  describe(`API keys on ${database}`, () => {
    let worker: TestWorker;
    let admin: string;
    before(async () => {
      worker = await startWorker({ database });
      await worker.addUser("boss", PASSWORD, { groups: ["admin"] });
      await worker.addUser("alice", PASSWORD, { groups: ["dev", "billing", "ops"] });
      admin = await worker.ownToken("boss", PASSWORD);
      dataOf(
        await worker.call("user_admin_create", {
          username: "invoices",
          auth_type: "SERVICE",
          access_token: admin,
        }),
      );
      for (const groupname of ["billing", "dev"])
        dataOf(await worker.call("group_add_user", { groupname, username: "invoices", access_token: admin }));
    });
    after(() => worker[Symbol.asyncDispose]());

    const create = async (more: object = {}): Promise<{ api_key: string; id: string }> => {
      const request = { username: "invoices", name: "production", access_token: admin, ...more };
      return dataOf(await worker.call("api_key_create", request)) as { api_key: string; id: string };
    };
    const exchange = (api_key: unknown, more: object = {}) => worker.call("token", { api_key, ...more });
    const list = async (username = "invoices"): Promise<Record<string, unknown>[]> =>
      dataOf(await worker.call("api_key_all", { username, access_token: admin }))["api_keys"] as Record<
        string,
        unknown
      >[];

    test("a service account has no password: its login is refused like a wrong password", async () => {
      const login = (username: string) => worker.call("login", { username, password: PASSWORD });
      assert.deepEqual(await login("invoices"), await login("nobody"));
      const user = dataOf(await worker.call("user_get", { username: "invoices", access_token: admin }));
      assert.deepEqual([user["auth_type"], user["email"]], ["SERVICE", null]);
      const change = { username: "invoices", password: "a new good password", access_token: admin };
      assertRefused(await worker.call("user_change", change), 400, "NOT_LOCAL");
    });

    test("a key is exchanged for access tokens with the account's groups and the key's vhost, by any replica", async () => {
      const { api_key, id } = await create({ vhost: "orders" });
      assert.match(api_key, FORM);
      await worker.startReplica();
      const replies = await Promise.all(Array.from({ length: 20 }, () => exchange(api_key)));
      for (const reply of replies) {
        const claims = decodeJwt(dataOf(reply)["access_token"] as string);
        const { sub, groups, vhost, sid, api_key_id } = claims;
        assert.deepEqual(
          { sub, user: claims["user"], groups, vhost, sid, api_key_id },
          {
            sub: "invoices",
            user: "invoices",
            groups: ["billing", "dev"],
            vhost: "orders",
            sid: undefined,
            api_key_id: id,
          },
        );
      }
    });

    test("the token of a key works on authmq's queues, and introspect shows the key's id", async () => {
      const { api_key, id } = await create();
      const { access_token } = dataOf(await exchange(api_key));
      dataOf(await worker.call("group_all", { access_token }));
      const own = dataOf(await worker.call("user_get", { username: "invoices", access_token }));
      assert.deepEqual(own["groups"], ["billing", "dev"]);
      const seen = dataOf(await worker.call("introspect", { token: access_token }));
      assert.deepEqual([seen["active"], seen["api_key_id"]], [true, id]);
    });

    test("groups limits the key to those of the account's groups that it has at each exchange", async () => {
      const { api_key } = await create({ groups: ["dev", "admin", "not-yet"] });
      const groupsNow = async (): Promise<unknown> =>
        decodeJwt(dataOf(await exchange(api_key))["access_token"] as string)["groups"];
      assert.deepEqual(await groupsNow(), ["dev"]);
      const member = { username: "invoices", groupname: "not-yet", access_token: admin };
      dataOf(await worker.call("group_create", { groupname: "not-yet", access_token: admin }));
      dataOf(await worker.call("group_add_user", member));
      assert.deepEqual(await groupsNow(), ["dev", "not-yet"]);
      dataOf(await worker.call("group_remove_user", member));
      assert.deepEqual(await groupsNow(), ["dev"]);
    });

    test("groups of the request narrow the token further, and must be groups of the key", async () => {
      const { api_key } = await create({ groups: ["dev"] });
      const claims = decodeJwt(dataOf(await exchange(api_key, { groups: [] }))["access_token"] as string);
      assert.deepEqual([claims["groups"], claims["limited"]], [[], true]);
      assertInvalid(await exchange(api_key, { groups: ["billing"] }), "groups");
    });

    test("an expired key is 401, and its tokens do not outlive it", async () => {
      const { api_key, id } = await create({ expires_in: 60 });
      assert.ok(
        (dataOf(await exchange(api_key))["expires_in"] as number) <= 60,
        "the token outlives the key",
      );
      await worker.db
        .updateTable("api_key")
        .set({ expires_at: "2020-01-01 00:00:00.000" })
        .where("api_key_id", "=", BigInt(id))
        .execute();
      assertRefused(await exchange(api_key), 401, "INVALID_TOKEN");
    });

    test("a revoked key is 401 at once, and so is every token that it was exchanged for", async () => {
      const { api_key, id } = await create();
      const { access_token } = dataOf(await exchange(api_key));
      dataOf(await worker.call("api_key_revoke", { username: "invoices", id, access_token: admin }));
      assertRefused(await exchange(api_key), 401, "INVALID_TOKEN");
      assertRefused(await worker.call("group_all", { access_token }), 401, "INVALID_TOKEN");
      assert.deepEqual(dataOf(await worker.call("introspect", { token: access_token })), { active: false });
      const again = { username: "invoices", id, access_token: admin };
      assertRefused(await worker.call("api_key_revoke", again), 404, "API_KEY_NOT_FOUND");
    });

    test("the keys of a deactivated account rest, and work again after its activation", async () => {
      const { api_key } = await create();
      const activate = async (activated: boolean): Promise<unknown> =>
        dataOf(await worker.call("user_change", { username: "invoices", activated, access_token: admin }));
      await activate(false);
      assertRefused(await exchange(api_key), 403, "ACCOUNT_NOT_ACTIVATED");
      await activate(true);
      dataOf(await exchange(api_key));
    });

    test("a deleted account's keys are gone", async () => {
      await worker.addUser("leaver", PASSWORD);
      const { api_key } = await create({ username: "leaver" });
      dataOf(await worker.call("user_delete", { username: "leaver", access_token: admin }));
      assertRefused(await exchange(api_key), 401, "INVALID_TOKEN");
    });

    test("a password change and session_revoke do not touch the keys of a user", async () => {
      const { api_key } = await create({ username: "alice" });
      const password = "another good password";
      dataOf(await worker.call("user_change", { username: "alice", password, access_token: admin }));
      dataOf(await worker.call("session_revoke", { username: "alice", access_token: admin }));
      dataOf(await exchange(api_key));
    });

    test("a mistyped key is refused without a look-up", async () => {
      const { api_key, id } = await create();
      const typo = `${api_key.slice(0, 20)}${api_key[20] === "a" ? "b" : "a"}${api_key.slice(21)}`;
      // A look-up would find it.
      await worker.db
        .updateTable("api_key")
        .set({ key_hash: Buffer.from(digestOfApiKey(typo), "hex") })
        .where("api_key_id", "=", BigInt(id))
        .execute();
      const bad = [typo, api_key.slice(0, -1), `${api_key}x`, api_key.toLowerCase(), "authmq_", ""];
      for (const one of bad) assertRefused(await exchange(one), 401, "INVALID_TOKEN");
      for (const one of [1, true, {}, [api_key]]) assertInvalid(await exchange(one), "api_key");
    });

    test("both an ID token and a key are 400, neither is 401", async () => {
      const { api_key } = await create();
      const id_token = await worker.login("boss", PASSWORD);
      admin = dataOf(await worker.call("token", { id_token }))["access_token"] as string;
      assertInvalid(await worker.call("token", { id_token, api_key }), "api_key");
      const reply = await worker.call("token", { id_token: null, api_key: null });
      assertRefused(reply, 401, "INVALID_TOKEN");
      assert.equal(reply.resp_data["msg"], "id_token is missing");
    });

    test("a key has no session: renew is 400", async () => {
      await using renewing = await startWorker({
        database,
        config: { app_config: { session_renewal_time: 60 } },
      });
      const access_token = await renewing.accessToken("root", ["admin"]);
      await renewing.addUser("robot", PASSWORD);
      const request = { username: "robot", name: "n", access_token };
      const { api_key } = dataOf(await renewing.call("api_key_create", request));
      assertInvalid(await renewing.call("token", { api_key, renew: true }), "renew");
    });

    test("an account has at most 20 unexpired keys, however many are created at once", async () => {
      await worker.addUser("hoarder", PASSWORD);
      const request = { username: "hoarder", name: "n", access_token: admin };
      const replies = await Promise.all(
        Array.from({ length: 25 }, () => worker.call("api_key_create", request)),
      );
      assert.equal(replies.filter(({ resp_code }) => resp_code === 200).length, 20);
      for (const reply of replies.filter(({ resp_code }) => resp_code !== 200))
        assertRefused(reply, 409, "TOO_MANY_KEYS");
      await worker.db
        .updateTable("api_key")
        .set({ expires_at: "2020-01-01 00:00:00.000" })
        .where("user_id", "=", "hoarder")
        .execute();
      dataOf(await worker.call("api_key_create", request));
      assert.equal((await list("hoarder")).length, 1, "expired keys are deleted");
    });

    test("a retry with the same idempotency key gets the same key, which is stored nowhere", async () => {
      await using caller = await connectKeyed(worker);
      const request = { username: "invoices", name: "retried", access_token: admin };
      const first = await caller.call("create-1", "api_key_create", request);
      const second = await caller.call("create-1", "api_key_create", request);
      assert.deepEqual(second, first);
      assert.equal((await list()).filter(({ name }) => name === "retried").length, 1);
      const { api_key } = dataOf(first);
      for (const table of ["api_key", "rpc_inbox", "event"] as const) {
        const rows = await worker.db.selectFrom(table).selectAll().execute();
        const text = JSON.stringify(rows, (_key, value: unknown) =>
          typeof value === "bigint" ? value.toString() : value,
        );
        assert.ok(!text.includes(String(api_key).slice(7, 50)), `the key is in the table ${table}`);
      }
      assert.ok(!worker.log.join("").includes(String(api_key)), "the key is in the log");
    });

    test("creation and revocation are events with the id and the name", async () => {
      const { id } = await create({ name: "seen" });
      dataOf(await worker.call("api_key_revoke", { username: "invoices", id, access_token: admin }));
      const rows = await worker.db
        .selectFrom("event")
        .select(["type", "username", "actor", "data"])
        .where("data", "like", `%${id}%`)
        .orderBy("seq")
        .execute();
      assert.deepEqual(
        rows.map(({ data, ...row }) => ({ ...row, data: JSON.parse(data) as unknown })),
        ["api_key.created", "api_key.revoked"].map((type) => ({
          type,
          username: "invoices",
          actor: "boss",
          data: { id, name: "seen" },
        })),
      );
    });

    test("an account sees and revokes its own keys, but creates none", async () => {
      const { api_key, id } = await create();
      const { access_token } = dataOf(await exchange(api_key));
      const own = dataOf(await worker.call("api_key_all", { username: "invoices", access_token }));
      assert.ok(
        (own["api_keys"] as { id: string }[]).some((key) => key.id === id),
        "the key is not in the list",
      );
      const other = { username: "alice", access_token };
      assertRefused(await worker.call("api_key_all", other), 403, "FORBIDDEN");
      const more = { username: "invoices", name: "more", access_token };
      assertRefused(await worker.call("api_key_create", more), 403, "FORBIDDEN");
      const foreign = await create({ username: "alice" });
      const revoke = (username: string, keyId: string) =>
        worker.call("api_key_revoke", { username, id: keyId, access_token });
      assertRefused(await revoke("alice", foreign.id), 403, "FORBIDDEN");
      assertRefused(await revoke("invoices", foreign.id), 404, "API_KEY_NOT_FOUND");
      dataOf(await revoke("invoices", id));
    });

    test("invalid fields are named", async () => {
      const call = (more: object) =>
        worker.call("api_key_create", { username: "invoices", name: "n", access_token: admin, ...more });
      for (const name of [undefined, "", "x".repeat(101), "a\nb", 1])
        assertInvalid(await call({ name }), "name");
      for (const expires_in of [0, -1, 1.5, "60", 1e15])
        assertInvalid(await call({ expires_in }), "expires_in");
      for (const groups of ["dev", {}]) assertInvalid(await call({ groups }), "groups");
      assertInvalid(await call({ groups: ["dev", 1] }), "groups.1");
      assertRefused(await call({ username: "nobody" }), 404, "USER_NOT_FOUND");
      for (const id of ["", "0x1", "-1", "9".repeat(30)]) {
        const request = { username: "invoices", id, access_token: admin };
        assertRefused(await worker.call("api_key_revoke", request), 404, "API_KEY_NOT_FOUND");
      }
    });

    test("need an access token, and for creation an administrator's", async () => {
      await assertNeedsAdmin(worker, "api_key_create", { username: "invoices", name: "n" });
      await assertNeedsAccessToken(worker, "api_key_all", { username: "invoices" });
      await assertNeedsAccessToken(worker, "api_key_revoke", { username: "invoices", id: "1" });
    });
  });
}
