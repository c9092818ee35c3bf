import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { changeAccount } from "../../src/accounts/change.ts";
import { deleteAccount } from "../../src/accounts/delete.ts";
import type { Writer } from "../../src/accounts/writer.ts";
import { inTransaction } from "../../src/db/transaction.ts";
import { DATABASES, startWorker } from "../support/worker.ts";

for (const database of DATABASES) {
  describe(`a recreated account on ${database}`, () => {
    test("is not changed or deleted by a request for the previous account", async () => {
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
      const write = <T>(work: (writer: Writer) => Promise<T>): Promise<T> =>
        inTransaction(db, (trx) => work({ trx, actor: null }));
      const rules = { adminGroup: "admin" };
      const change = await write((writer) => changeAccount(writer, before, { password_hash }, rules));
      const removal = await write((writer) => deleteAccount(writer, before, "admin"));
      assert.deepEqual([change, removal], ["no such user", "no such user"]);
      assert.deepEqual(await read(), after);
      assert.equal(
        await write((writer) => changeAccount(writer, after, { email: "new@example.com" }, rules)),
        "changed",
      );
      assert.equal(await write((writer) => deleteAccount(writer, after, "admin")), "deleted");
    });
  });
}
