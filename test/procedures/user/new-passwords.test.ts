import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { scratchFolder } from "../../support/scratch-folder.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
import { startWorker, type TestWorker } from "../../support/worker.ts";

const GOOD = "a staple of batteries";

describe("a new password", () => {
  let worker: TestWorker;
  let access_token: string;
  before(async () => {
    const password_blocklist = join(scratchFolder, `${randomBytes(6).toString("hex")}.txt`);
    writeFileSync(password_blocklist, "correct horse battery\r\nTrustNo1TrustNo1\n\nlast without an end");
    const app_config = { allow_registration: true, password_blocklist, bcrypt_cost: 4 };
    worker = await startWorker({ config: { app_config } });
    access_token = await worker.accessToken("root", ["admin"]);
    await worker.addUser("changes", GOOD);
  });
  after(() => worker[Symbol.asyncDispose]());

  /** Asserts the result of a password at each queue that sets one. */
  const set = (password: string, name: string) => [
    worker.call("user_register", {
      username: name,
      password,
      password_confirm: password,
      email: `${name}@example.com`,
    }),
    worker.call("user_admin_create", {
      username: `${name}-2`,
      password,
      email: `${name}-2@example.com`,
      access_token,
    }),
    worker.call("user_change", { username: "changes", password, access_token }),
  ];
  const assertEachRefused = async (password: string, name: string, msg: string): Promise<void> => {
    for (const reply of await Promise.all(set(password, name))) {
      assert.equal(reply.resp_code, 400, JSON.stringify(reply));
      assert.deepEqual(reply.resp_data["fields"], [{ path: "password", msg }]);
    }
  };

  test("must not be on the blocklist, in any case or width", async () => {
    for (const password of [
      "correct horse battery",
      "Correct Horse BATTERY",
      "trustno1trustno1",
      "ｔｒｕｓｔｎｏ１ｔｒｕｓｔｎｏ１",
      "last without an end",
    ])
      await assertEachRefused(
        password,
        "newcomer",
        "is on the list of blocked passwords; choose another one",
      );
  });

  test("must not contain the username, in any case or width", async () => {
    const msg = "must not contain the username";
    for (const [username, password] of [
      ["newcomer", "my-NewComer-pass"],
      ["newcomer", "newcomer"],
      ["NEWCOMER", "xnewcomerx"],
      ["newcomer", "ｎｅｗｃｏｍｅｒ of old"],
    ] as const) {
      const request = { username, password, password_confirm: password, email: "new@example.com" };
      const reply = await worker.call("user_register", request);
      assert.deepEqual(reply.resp_data["fields"], [{ path: "password", msg }]);
    }
    const change = { username: "CHANGES", password: "it changes daily", access_token };
    assert.deepEqual((await worker.call("user_change", change)).resp_data["fields"], [
      { path: "password", msg },
    ]);
    const create = { username: "newcomer", password: "newcomer!!!!", email: "n@example.com", access_token };
    assertRefusedField(await worker.call("user_admin_create", create), msg);
  });

  test("is accepted otherwise, and existing blocked passwords still log in", async () => {
    for (const reply of await Promise.all(set("correct horse batteries", "newcomer"))) dataOf(reply);
    await worker.addUser("oldtimer", "correct horse battery");
    await worker.login("oldtimer", "correct horse battery");
    assertRefused(
      await worker.call("login", { username: "oldtimer", password: "oldtimer" }),
      401,
      "INVALID_CREDENTIALS",
    );
  });

  function assertRefusedField(reply: Awaited<ReturnType<TestWorker["call"]>>, msg: string): void {
    assert.deepEqual([reply.resp_code, reply.resp_data["fields"]], [400, [{ path: "password", msg }]]);
  }
});

test("a login replaces a hash of another algorithm or lower cost", async () => {
  const app_config = { password_hash: "argon2id", argon2_memory_kib: 64, argon2_passes: 1, bcrypt_cost: 4 };
  await using worker = await startWorker({ config: { app_config } });
  await worker.addUser("from-bcrypt", GOOD);
  const hashOf = async (): Promise<string> => {
    const row = await worker.db.selectFrom("user").select("password_hash").executeTakeFirstOrThrow();
    return Buffer.from(row.password_hash ?? "").toString();
  };
  assert.match(await hashOf(), /^\$2b\$04\$/);
  assertRefused(
    await worker.call("login", { username: "from-bcrypt", password: "wrong one" }),
    401,
    "INVALID_CREDENTIALS",
  );
  assert.match(await hashOf(), /^\$2b\$04\$/);
  await worker.login("from-bcrypt", GOOD);
  assert.match(await hashOf(), /^\$argon2id\$v=19\$m=64,t=1,p=1\$/);
  await worker.login("from-bcrypt", GOOD);
});
