import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { sql } from "kysely";
import { deleteExpired } from "../../src/rpc/cleanup.ts";
import { connectKeyed, type KeyedCaller } from "../support/keyed-caller.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

const LONG_AGO = "2001-02-03 04:05:06.789";

for (const database of DATABASES) {
  describe(`requests with an idempotency key on ${database}`, () => {
    let worker: TestWorker;
    let caller: KeyedCaller;
    let access_token: string;
    let count = 0;
    before(async () => {
      worker = await startWorker({
        database,
        config: { app_config: { bcrypt_cost: 4, allow_registration: true } },
      });
      await worker.startReplica();
      caller = await connectKeyed(worker);
      access_token = await worker.accessToken("root", ["admin"]);
      await worker.addUser("root", "correct horse", { groups: ["admin"] });
    });
    after(async () => {
      await caller[Symbol.asyncDispose]();
      await worker[Symbol.asyncDispose]();
    });

    const newKey = (): string => `key-${count++}`;
    const newName = (): string => `name-${count++}`;

    /** Requests that have an effect, on new users and groups. */
    const requests = async (): Promise<[queue: string, request: object][]> => {
      const [user, group, member] = [newName(), newName(), newName()];
      for (const name of [user, member]) await worker.addUser(name, "correct horse");
      for (const name of [group, `${group}-2`])
        assert.equal((await worker.call("group_create", { groupname: name, access_token })).resp_code, 200);
      const [made, registered] = [newName(), newName()];
      const password = "correct horse";
      return [
        ["user_admin_create", { username: made, password, email: `${made}@example.com`, access_token }],
        [
          "user_register",
          { username: registered, password, password_confirm: password, email: `${registered}@example.com` },
        ],
        ["user_change", { username: member, email: `${newName()}@example.com`, access_token }],
        ["group_create", { groupname: newName(), access_token }],
        ["group_add_user", { groupname: group, username: member, access_token }],
        ["group_remove_user", { groupname: group, username: member, access_token }],
        ["group_delete", { groupname: `${group}-2`, access_token }],
        ["session_revoke", { username: member, access_token }],
        ["user_delete", { username: user, access_token }],
      ];
    };

    test("get the same reply on a retry, and have no second effect", async () => {
      for (const [queue, request] of await requests()) {
        const key = newKey();
        const first = await caller.call(key, queue, request);
        assert.equal(first.resp_code, 200, `${queue}: ${JSON.stringify(first)}`);
        const rows = await contentOf(worker);
        for (let round = 0; round < 2; round++)
          assert.deepEqual(await caller.call(key, queue, request), first, queue);
        assert.deepEqual(await contentOf(worker), rows, queue);
      }
    });

    test("are 409 with another body, and have no effect", async () => {
      for (const [queue, request] of await requests()) {
        const key = newKey();
        await caller.call(key, queue, request);
        const rows = await contentOf(worker);
        const field = "groupname" in request ? "groupname" : "username";
        const reply = await caller.call(key, queue, { ...request, [field]: "somebody-else" });
        assert.deepEqual(
          [queue, reply.resp_code, reply.resp_data["error"]],
          [queue, 409, "IDEMPOTENCY_CONFLICT"],
        );
        assert.deepEqual(await contentOf(worker), rows, queue);
      }
    });

    test("are replayed for the same caller with another token", async () => {
      const [key, groupname] = [newKey(), newName()];
      const first = await caller.call(key, "group_create", { groupname, access_token });
      const fresh = await worker.accessToken("ROOT", ["admin", "more"]);
      assert.deepEqual(await caller.call(key, "group_create", { groupname, access_token: fresh }), first);
    });

    test("do not share their key with another caller", async () => {
      const [key, groupname] = [newKey(), newName()];
      await caller.call(key, "group_create", { groupname, access_token });
      const other = await worker.accessToken("other", ["admin"]);
      const reply = await caller.call(key, "group_create", { groupname, access_token: other });
      assert.deepEqual([reply.resp_code, reply.resp_data["error"]], [409, "GROUP_TAKEN"]);
    });

    test("work for a caller of another issuer with a very long name", async () => {
      const [key, groupname] = [newKey(), newName()];
      const long = await worker.accessToken("é".repeat(300), ["admin"]);
      const first = await caller.call(key, "group_create", { groupname, access_token: long });
      assert.equal(first.resp_code, 200);
      assert.deepEqual(await caller.call(key, "group_create", { groupname, access_token: long }), first);
    });

    test("are replayed only to an authorized token", async () => {
      const [key, groupname] = [newKey(), newName()];
      await caller.call(key, "group_create", { groupname, access_token });
      for (const [token, code] of [
        ["no token", 401],
        [await worker.accessToken("root"), 403],
      ] as const) {
        const reply = await caller.call(key, "group_create", { groupname, access_token: token });
        assert.equal(reply.resp_code, code);
      }
    });

    test("get the same error on a retry, even if data has changed", async () => {
      const groupname = newName();
      const [create, remove] = [newKey(), newKey()];
      const missing = await caller.call(remove, "group_delete", { groupname, access_token });
      assert.equal(missing.resp_code, 404);
      await worker.call("group_create", { groupname, access_token });
      assert.deepEqual(await caller.call(remove, "group_delete", { groupname, access_token }), missing);
      const taken = await caller.call(create, "group_create", { groupname, access_token });
      assert.equal(taken.resp_data["error"], "GROUP_TAKEN");
      await worker.call("group_delete", { groupname, access_token });
      assert.deepEqual(await caller.call(create, "group_create", { groupname, access_token }), taken);
    });

    test("can be retried with the same key after failed authorization", async () => {
      const [key, groupname] = [newKey(), newName()];
      const refused = await caller.call(key, "group_create", { groupname, access_token: "expired" });
      assert.equal(refused.resp_code, 401);
      assert.equal((await caller.call(key, "group_create", { groupname, access_token })).resp_code, 200);
    });

    test("may carry the key in a header, which takes precedence over message_id", async () => {
      const [key, groupname] = [newKey(), newName()];
      const headers = { "x-idempotency-key": key };
      const first = await caller.call(undefined, "group_create", { groupname, access_token }, { headers });
      assert.equal(first.resp_code, 200);
      for (const id of [key, newKey()])
        assert.deepEqual(
          await caller.call(id, "group_create", { groupname, access_token }, { headers }),
          first,
        );
      assert.deepEqual(await caller.call(key, "group_create", { groupname, access_token }), first);
    });

    test("are 400 with an invalid key", async () => {
      for (const bad of [1, true, "", ["a"], { a: "b" }, "x".repeat(256), "é".repeat(128)]) {
        const headers = { "x-idempotency-key": bad };
        const reply = await caller.call(undefined, "group_all", { access_token }, { headers });
        assert.deepEqual(
          [reply.resp_code, reply.resp_data["error"]],
          [400, "INVALID_INPUT"],
          JSON.stringify(bad),
        );
        const [fault] = reply.resp_data["fields"] as { path: string }[];
        assert.equal(fault?.path, "x-idempotency-key");
      }
      const headers = { "x-idempotency-key": "x".repeat(255) };
      assert.notEqual(
        (await caller.call(undefined, "group_all", { access_token }, { headers })).resp_code,
        400,
      );
    });

    test("have one effect and one reply when sent many times at once", async () => {
      for (const [queue, request] of await requests()) {
        const key = newKey();
        const replies = await Promise.all(Array.from({ length: 12 }, () => caller.call(key, queue, request)));
        for (const reply of replies) assert.deepEqual(reply, replies[0], queue);
        assert.equal(replies[0]?.resp_code, 200, queue);
      }
    });

    test("are executed again after 15 minutes", async () => {
      const [key, groupname] = [newKey(), newName()];
      await caller.call(key, "group_create", { groupname, access_token });
      await worker.db.updateTable("rpc_inbox").set({ created_at: LONG_AGO }).execute();
      const late = await caller.call(key, "group_create", { groupname, access_token });
      assert.equal(late.resp_data["error"], "GROUP_TAKEN");
      await worker.call("group_delete", { groupname, access_token });
      assert.deepEqual(await caller.call(key, "group_create", { groupname, access_token }), late);
    });

    test("that only read are executed again", async () => {
      const [key, groupname] = [newKey(), newName()];
      const list = async (): Promise<string[]> =>
        (await caller.call(key, "group_all", { access_token })).resp_data["groups"] as string[];
      const before = await list();
      assert.ok(!before.includes(groupname), before.join(", "));
      await worker.call("group_create", { groupname, access_token });
      const after = await list();
      assert.ok(after.includes(groupname), after.join(", "));
    });

    test("do not affect requests without a key, which are never replays even with equal properties", async () => {
      const groupname = newName();
      const properties = { correlationId: "always the same" };
      const call = (queue: string) => caller.call(undefined, queue, { groupname, access_token }, properties);
      for (let round = 0; round < 2; round++) {
        assert.equal((await call("group_create")).resp_code, 200);
        assert.equal((await call("group_create")).resp_data["error"], "GROUP_TAKEN");
        assert.equal((await call("group_delete")).resp_code, 200);
      }
    });

    test("store no secret", async () => {
      const username = newName();
      const password = "a secret of mine";
      const email = `${username}@example.com`;
      await caller.call(newKey(), "user_admin_create", { username, password, email, access_token });
      await caller.call(newKey(), "login", { username, password });
      const rows = JSON.stringify(
        [
          await worker.db.selectFrom("rpc_inbox").selectAll().execute(),
          await worker.db.selectFrom("token").selectAll().execute(),
        ],
        (_, value: unknown) =>
          typeof value === "bigint"
            ? String(value)
            : value instanceof Uint8Array
              ? Buffer.from(value).toString("latin1")
              : value,
      );
      for (const secret of [password, access_token, access_token.split(".")[2]!])
        assert.ok(!rows.includes(secret), "a secret is in the table");
      // No digest either that allows an offline dictionary attack.
      for (const body of [JSON.stringify({ username, password }), password]) {
        const digest = createHash("sha256").update(body).digest().toString("latin1");
        assert.ok(!rows.includes(JSON.stringify(digest).slice(1, -1)), "a digest is in the table");
      }
    });

    test("expire and are deleted in batches, by one replica at a time", async () => {
      await caller.call(newKey(), "group_create", { groupname: newName(), access_token });
      await worker.db.updateTable("rpc_inbox").set({ created_at: LONG_AGO }).execute();
      const { total } = await worker.db
        .selectFrom("rpc_inbox")
        .select((is) => is.fn.countAll<number | string>().as("total"))
        .executeTakeFirstOrThrow();
      const key = newKey();
      await caller.call(key, "group_create", { groupname: newName(), access_token });
      const cleared = await Promise.all([
        deleteExpired(worker.db, worker.config, 2),
        deleteExpired(worker.db, worker.config, 2),
      ]);
      assert.deepEqual(
        cleared.toSorted((a, b) => a - b),
        [0, Number(total)],
      );
      const left = await worker.db.selectFrom("rpc_inbox").select("created_at").execute();
      assert.equal(left.length, 1);
      assert.equal(await deleteExpired(worker.db, worker.config), 0, "the lease is held");
    });
  });
}

/** The rows that the requests of this file can change. */
async function contentOf({ db }: TestWorker): Promise<unknown> {
  const tables = ["user", "group", "usergroup"] as const;
  return Promise.all(tables.map((table) => db.selectFrom(table).selectAll().orderBy(sql`1`).execute()));
}
