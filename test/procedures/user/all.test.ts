import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { assertInvalid, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`user_all on ${database}`, () => {
    let worker: TestWorker;
    let access_token: string;
    before(async () => {
      worker = await startWorker({ database });
      access_token = await worker.accessToken("plain");
    });
    after(() => worker[Symbol.asyncDispose]());

    test("answers 204 with an empty list if there are no users", async () => {
      await worker.db.deleteFrom("user").execute();
      assert.deepEqual(dataOf(await worker.call("user_all", { access_token }), 204), { users: [] });
    });

    test("lists all usernames as registered, to any user", async () => {
      await worker.db.deleteFrom("user").execute();
      await worker.addUser("Zoe_", "correct horse");
      await worker.addUser("adam", "correct horse", { activated: false });
      await worker.addUser("Bert", "", { authType: "LDAP" });
      assert.deepEqual(dataOf(await worker.call("user_all", { access_token })), {
        users: ["adam", "Bert", "Zoe_"],
      });
    });

    test("lists a hundred users", async () => {
      await worker.db.deleteFrom("user").execute();
      const names = Array.from({ length: 100 }, (_, index) => `user-${1000 + index}`);
      for (const name of names) await worker.addUser(name, "", { authType: "LDAP" });
      assert.deepEqual(dataOf(await worker.call("user_all", { access_token })), { users: names });
    });

    test("returns pages with a cursor, and 204 after the last one", async () => {
      await worker.db.deleteFrom("user").execute();
      for (const name of ["adam", "Bert", "bess", "BETH", "Zoe_"])
        await worker.addUser(name, "", { authType: "LDAP" });
      const page = (request: object) => worker.call("user_all", { ...request, access_token });
      assert.deepEqual(dataOf(await page({ limit: 2 })), { users: ["adam", "Bert"], next: "Bert" });
      assert.deepEqual(dataOf(await page({ limit: 2, after: "BERT" })), {
        users: ["bess", "BETH"],
        next: "BETH",
      });
      assert.deepEqual(dataOf(await page({ limit: 2, after: "BETH" })), { users: ["Zoe_"] });
      assert.deepEqual(dataOf(await page({ after: "zoe_" }), 204), { users: [] });
      assert.deepEqual(dataOf(await page({ q: "bE", limit: 1 })), { users: ["Bert"], next: "Bert" });
      assert.deepEqual(dataOf(await page({ q: "bE", after: "Bert" })), { users: ["bess", "BETH"] });
      for (const q of ["b%", "_", "%", "be_t"])
        assert.deepEqual(dataOf(await page({ q }), 204), { users: [] }, q);
      assert.deepEqual(dataOf(await page({ q: "", limit: 1000 })), {
        users: ["adam", "Bert", "bess", "BETH", "Zoe_"],
      });
    });

    test("returns a hundred names per page by default", async () => {
      await worker.db.deleteFrom("user").execute();
      const names = Array.from({ length: 103 }, (_, index) => `user-${1000 + index}`);
      for (const name of names) await worker.addUser(name, "", { authType: "LDAP" });
      assert.deepEqual(dataOf(await worker.call("user_all", { q: "user", access_token })), {
        users: names.slice(0, 100),
        next: names[99],
      });
    });

    test("rejects invalid page parameters", async () => {
      const refused = async (field: string, values: readonly unknown[]): Promise<void> => {
        for (const value of values)
          assertInvalid(await worker.call("user_all", { [field]: value, access_token }), field);
      };
      await refused("limit", [0, -1, 1001, 1.5, "10", [], true]);
      await refused("after", [1, [], "x".repeat(101), "\ud800"]);
      await refused("q", [1, {}, "x".repeat(101), "\ud800"]);
    });

    test("needs an access token", () => assertNeedsAccessToken(worker, "user_all", { limit: 5 }));

    test("ignores unknown fields", async () => {
      const more = { username: 5, groupname: "x", offset: null };
      const { users } = dataOf(await worker.call("user_all", { access_token, ...more }));
      assert.ok(Array.isArray(users), typeof users);
    });
  });
}
