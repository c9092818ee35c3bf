import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { dataOf } from "../../support/replies.ts";
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

    test("answers 204 with the empty list when there are no users", async () => {
      await worker.db.deleteFrom("user").execute();
      assert.deepEqual(dataOf(await worker.call("user_all", { access_token }), 204), { users: [] });
    });

    test("lists every name as it was written, to any user", async () => {
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

    test("needs an access token", () => assertNeedsAccessToken(worker, "user_all", {}));

    test("ignores unknown fields", async () => {
      const more = { username: 5, limit: "x", offset: null };
      const { users } = dataOf(await worker.call("user_all", { access_token, ...more }));
      assert.ok(Array.isArray(users));
    });
  });
}
