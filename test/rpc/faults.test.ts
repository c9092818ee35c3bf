import assert from "node:assert/strict";
import { test } from "node:test";
import { DATABASES, startWorker } from "../support/worker.ts";

for (const database of DATABASES) {
  test(`an unexpected error on ${database} is 500 with a reference to the log, and the worker goes on`, async () => {
    await using worker = await startWorker({ database });
    await worker.addUser("alice", "correct horse");
    await worker.db.schema.alterTable("usergroup").renameColumn("groupname", "renamed").execute();
    const { resp_code, resp_data } = await worker.call("login", {
      username: "alice",
      password: "correct horse",
    });
    assert.deepEqual([resp_code, resp_data["error"]], [500, "INTERNAL"]);
    assert.deepEqual(Object.keys(resp_data).sort(), ["error", "msg", "reference"]);
    assert.doesNotMatch(JSON.stringify(resp_data), /groupname|select|SQL/i);
    const line = worker.log.find((text) => text.includes(String(resp_data["reference"]))) ?? "";
    assert.match(line, /groupname/);
    assert.doesNotMatch(line, /correct horse/);
    const access_token = await worker.accessToken("alice");
    assert.deepEqual((await worker.call("user_all", { access_token })).resp_data, { users: ["alice"] });
  });
}
