import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createLookups, type Lookups } from "../../src/db/lookups.ts";
import { insertGroup } from "../../src/db/queries/groups.ts";
import { createUser } from "../../src/db/queries/users.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

for (const database of DATABASES) {
  describe(`batched reads on ${database}`, () => {
    let worker: TestWorker;
    let lookups: Lookups;
    before(async () => {
      worker = await startWorker({ database });
      lookups = createLookups(worker.db, 1, () => undefined);
      for (let index = 0; index < 200; index++)
        await createUser(worker.db, {
          username: `user-${index}`,
          password_hash: null,
          auth_type: "LOCAL",
          email: `${index}@example.com`,
          activated: true,
        });
    });
    after(() => worker[Symbol.asyncDispose]());

    test("return each row to its request, even beyond one statement", async () => {
      const names = Array.from({ length: 500 }, (_, index) => `user-${index}`);
      const rows = await Promise.all(names.map((name) => lookups.account(name)));
      assert.deepEqual(
        rows.map((row) => row?.username),
        names.map((name, index) => (index < 200 ? name : undefined)),
      );
    });

    test("read a key that is requested during a statement by the next statement", async () => {
      const first = lookups.groups();
      await new Promise((resolve) => setImmediate(resolve));
      const made = insertGroup(worker.db, "made-meanwhile");
      const second = made.then(() => lookups.groups());
      const groups = await second;
      assert.ok(groups.includes("made-meanwhile"), groups.join(", "));
      await first;
      const many = Array.from({ length: 300 }, () => lookups.groups());
      const without = (await Promise.all(many)).filter((found) => !found.includes("made-meanwhile"));
      assert.deepEqual(without, []);
    });

    test("fail for all requests of a failed statement, and for no later request", async () => {
      const broken = createLookups(worker.db, 1, () => undefined);
      await worker.db.schema.alterTable("usergroup").renameTo("away").execute();
      const together = await Promise.allSettled([broken.account("user-1"), broken.account("user-2")]);
      await worker.db.schema.alterTable("away").renameTo("usergroup").execute();
      assert.deepEqual(
        together.map(({ status }) => status),
        ["rejected", "rejected"],
      );
      assert.equal((await broken.account("user-1"))?.username, "user-1");
    });

    test("find a name in any case, and return one user for two spellings at once", async () => {
      const rows = await Promise.all(
        ["USER-7", "user-7", "User-7", "user-7é"].map((name) => lookups.account(name)),
      );
      assert.deepEqual(
        rows.map((row) => row?.username),
        ["user-7", "user-7", "user-7", undefined],
      );
    });
  });
}
