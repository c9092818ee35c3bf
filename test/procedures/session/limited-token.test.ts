import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`token with groups on ${database}`, () => {
    let worker: TestWorker;
    let id_token: string;
    before(async () => {
      worker = await startWorker({ database });
      await worker.addUser("alice", "correct horse", { groups: ["admin", "billing", "dev", "Ops"] });
      id_token = await worker.login("alice", "correct horse");
    });
    after(() => worker[Symbol.asyncDispose]());

    const limitedTo = async (groups: unknown): Promise<string> => {
      const { access_token } = dataOf(await worker.call("token", { id_token, groups }));
      return access_token as string;
    };

    test("lists only these groups without duplicates, and has limited: true", async () => {
      for (const [groups, listed] of [
        [["billing"], ["billing"]],
        [
          ["dev", "billing", "dev"],
          ["billing", "dev"],
        ],
        [[], []],
        [
          ["admin", "billing", "dev", "Ops"],
          ["Ops", "admin", "billing", "dev"],
        ],
      ]) {
        const claims = decodeJwt(await limitedTo(groups));
        assert.deepEqual([claims["groups"], claims["limited"]], [listed, true]);
      }
    });

    test("lists all groups without limited if groups is absent or null", async () => {
      for (const groups of [undefined, null]) {
        const claims = decodeJwt(await limitedTo(groups));
        assert.deepEqual(claims["groups"], ["Ops", "admin", "billing", "dev"]);
        assert.equal(Object.hasOwn(claims, "limited"), false);
      }
    });

    test("is no admin token if groups omits the admin group", async () => {
      const access_token = await limitedTo(["billing"]);
      const before = await worker.db.selectFrom("group").selectAll().execute();
      assertRefused(await worker.call("group_create", { groupname: "made", access_token }), 403, "FORBIDDEN");
      const change = { username: "alice", activated: true, access_token };
      assertRefused(await worker.call("user_change", change), 403, "FORBIDDEN");
      assert.deepEqual(await worker.db.selectFrom("group").selectAll().execute(), before);
      const own = dataOf(await worker.call("user_get", { username: "alice", access_token }));
      assert.equal(Object.hasOwn(own, "email"), false, "only an administrator sees it");
      const admin = await limitedTo(["admin"]);
      dataOf(await worker.call("group_create", { groupname: "made", access_token: admin }));
    });

    test("is shown by introspect", async () => {
      const limited = dataOf(await worker.call("introspect", { token: await limitedTo(["dev"]) }));
      assert.deepEqual([limited["active"], limited["groups"], limited["limited"]], [true, ["dev"], true]);
      const full = dataOf(await worker.call("introspect", { token: await limitedTo(undefined) }));
      assert.equal(Object.hasOwn(full, "limited"), false);
    });

    test("rejects groups that the account is not in, case-sensitively, and records no use", async () => {
      await worker.addUser("bobby", "correct horse", { groups: ["dev"] });
      const his = await worker.login("bobby", "correct horse");
      for (const groups of [["admin"], ["dev", "nowhere"], ["DEV"], ["dev "], [""], ["__proto__"]])
        assertInvalid(await worker.call("token", { id_token: his, groups }), "groups");
      const row = await worker.db
        .selectFrom("token")
        .select("last_use")
        .where("user_id", "=", "bobby")
        .executeTakeFirstOrThrow();
      assert.equal(row.last_use, null);
    });

    test("rejects groups that are not a list of strings", async () => {
      for (const groups of ["dev", 1, true, {}, { 0: "dev" }])
        assertInvalid(await worker.call("token", { id_token, groups }), "groups");
      for (const wrong of [1, null, ["dev"], {}, "\ud800"])
        assertInvalid(await worker.call("token", { id_token, groups: ["dev", wrong] }), "groups.1");
    });

    test("rejects a group that the account has left since the login", async () => {
      await worker.addUser("carol", "correct horse", { groups: ["dev", "billing"] });
      const hers = await worker.login("carol", "correct horse");
      await worker.db.deleteFrom("usergroup").where("groupname", "=", "billing").execute();
      assertInvalid(await worker.call("token", { id_token: hers, groups: ["billing"] }), "groups");
      dataOf(await worker.call("token", { id_token: hers, groups: ["dev"] }));
    });
  });
}
