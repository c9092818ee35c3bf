import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { changeUser, deleteUser } from "../../src/db/queries/users.ts";
import { inTransaction } from "../../src/db/transaction.ts";
import { DATABASES, startWorker } from "../support/worker.ts";

for (const database of DATABASES) {
  describe(`an account that was made anew on ${database}`, () => {
    test("is not changed or deleted by what was meant for the one before it", async () => {
      await using worker = await startWorker({ database });
      const { db } = worker;
      const read = () =>
        db.selectFrom("user").selectAll().where("username", "=", "alice").executeTakeFirstOrThrow();
      await worker.addUser("alice", "correct horse");
      const before = await read();
      await db.deleteFrom("user").execute();
      await new Promise((resolve) => setTimeout(resolve, 5));
      await worker.addUser("alice", "another one");
      const after = await read();
      const password_hash = Buffer.from("stolen");
      const change = await inTransaction(db, (trx) => changeUser(trx, before, { password_hash }, "admin"));
      const removal = await inTransaction(db, (trx) => deleteUser(trx, before, "admin"));
      assert.deepEqual([change, removal], ["no such user", "no such user"]);
      assert.deepEqual(await read(), after);
      assert.equal(
        await inTransaction(db, (trx) => changeUser(trx, after, { email: "new@example.com" }, "admin")),
        "changed",
      );
      assert.equal(await inTransaction(db, (trx) => deleteUser(trx, after, "admin")), "deleted");
    });
  });
}
