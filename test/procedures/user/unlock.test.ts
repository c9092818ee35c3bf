import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAdmin } from "../../support/access-rules.ts";
import { assertInvalid, assertRefused } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`user_unlock, on ${database}`, () => {
    let worker: TestWorker;
    let access_token: string;
    before(async () => {
      worker = await startWorker({ database });
      access_token = await worker.accessToken("root", ["admin"]);
      await worker.addUser("Alice", "correct horse battery");
    });
    after(() => worker[Symbol.asyncDispose]());

    const unlock = (username: unknown) => worker.call("user_unlock", { username, access_token });

    test("of a user without failed logins succeeds", async () => {
      const done = { resp_code: 200, resp_data: { msg: "unlocked user Alice" } };
      assert.deepEqual(await unlock("alice"), done);
      assert.deepEqual(await unlock("Alice"), done);
    });

    test("of an unknown username without failed logins is 404", async () => {
      assertRefused(await unlock("nobody"), 404, "USER_NOT_FOUND");
    });

    test("of an unknown username with failed logins succeeds", async () => {
      for (let n = 0; n < 11; n++) await worker.call("login", { username: "faraway", password: "wrong" });
      assert.deepEqual(await unlock("faraway"), {
        resp_code: 200,
        resp_data: { msg: "unlocked user faraway" },
      });
      assertRefused(
        await worker.call("login", { username: "faraway", password: "wrong" }),
        401,
        "INVALID_CREDENTIALS",
      );
    });

    test("rejects an invalid username", async () => {
      for (const username of [undefined, null, 1, [], {}, "a b", "x".repeat(101)])
        assertInvalid(await unlock(username), "username");
    });

    test("is for admins", () => assertNeedsAdmin(worker, "user_unlock", { username: "Alice" }));
  });
}
