import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`group_all on ${database}`, () => {
    let worker: TestWorker;
    let access_token: string;
    before(async () => {
      worker = await startWorker({ database });
      access_token = await worker.accessToken("plain");
    });
    after(() => worker[Symbol.asyncDispose]());

    test("answers 204 with the empty list when there are no groups", async () => {
      await worker.db.deleteFrom("group").execute();
      assert.deepEqual(dataOf(await worker.call("group_all", { access_token }), 204), { groups: [] });
    });

    test("lists every group exactly as it is named, to any user", async () => {
      await worker.db.deleteFrom("group").execute();
      for (const name of ["dev", "Dev", "_x", "admin"]) {
        await worker.db.insertInto("group").values({ name }).execute();
      }
      assert.deepEqual(dataOf(await worker.call("group_all", { access_token })), {
        groups: ["Dev", "_x", "admin", "dev"],
      });
    });

    test("needs an access token", () => assertNeedsAccessToken(worker, "group_all", {}));

    test("ignores unknown fields", async () => {
      const { groups } = dataOf(await worker.call("group_all", { access_token, groupname: 5, limit: -1 }));
      assert.ok(Array.isArray(groups));
    });
  });
}
