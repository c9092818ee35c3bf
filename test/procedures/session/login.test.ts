import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`login on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database });
      await worker.addUser("alice", "correct horse", { groups: ["ops", "dev"] });
    });
    after(() => worker[Symbol.asyncDispose]());

    test("gives an ID token for the right password, whatever the case of the name", async () => {
      const { resp_code, resp_data } = await worker.call("login", {
        username: "ALICE",
        password: "correct horse",
      });
      assert.equal(resp_code, 200);
      assert.deepEqual(Object.keys(resp_data), ["id_token"]);
    });

    test("answers a wrong password and an unknown user alike", async () => {
      const wrong = await worker.call("login", { username: "alice", password: "nope" });
      assert.equal(wrong.resp_code, 401);
      assert.deepEqual(await worker.call("login", { username: "bobby", password: "nope" }), wrong);
    });
  });
}
