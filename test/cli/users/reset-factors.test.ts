import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { folderWith, runCli } from "../../support/cli.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
import {
  challengeOf,
  enrolPasskey,
  enrolTotp,
  newUser,
  nextCodeOf,
  PASSWORD,
  secondFactors,
} from "../../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`authmq users reset-factors on ${database}`, () => {
    let worker: TestWorker;
    let cwd: string;
    before(async () => {
      worker = await startWorker({ database, config: secondFactors() });
      cwd = folderWith(worker.raw);
    });
    after(() => worker[Symbol.asyncDispose]());

    const run = (...args: readonly string[]) => runCli(["users", "reset-factors", ...args], { cwd });

    test("removes all factors, prints them, and the password alone is enough again", async () => {
      const { access_token } = await newUser(worker, "alice");
      const { id, secret } = await enrolTotp(worker, { access_token });
      const passkey = await enrolPasskey(worker, { access_token });
      const { challenge } = await challengeOf(worker, "alice");
      const { code, stdout, stderr } = await run("ALICE");
      assert.equal(code, 0, stderr);
      assert.equal(stderr, "removed all second factors of alice\n");
      const lines = stdout.trim().split("\n").toSorted();
      const expected = [
        new RegExp(`^${id}  totp  authenticator app$`),
        new RegExp(`^${passkey.id}  passkey  laptop$`),
        /^\d+ {2}recovery_codes {2}recovery codes$/,
      ];
      assert.equal(lines.length, expected.length, stdout);
      for (const pattern of expected)
        assert.ok(
          lines.some((line) => pattern.test(line)),
          `${pattern}: ${stdout}`,
        );
      // A challenge of the login before cannot be answered any more.
      const totp = nextCodeOf(secret);
      assertRefused(await worker.call("login_continue", { challenge, totp }), 401, "INVALID_CREDENTIALS");
      await worker.login("alice", PASSWORD);
      assert.deepEqual(dataOf(await worker.call("factor_all", { access_token })), { factors: [] });
    });

    test("removes an enrolment that is not finished, too", async () => {
      const { access_token } = await newUser(worker, "beginner");
      dataOf(await worker.call("totp_begin", { access_token }));
      const { code, stdout, stderr } = await run("beginner");
      assert.deepEqual([code, stdout, stderr], [0, "", "beginner has no second factors\n"]);
      const rows = await worker.db
        .selectFrom("factor")
        .selectAll()
        .where("user_id", "=", "beginner")
        .execute();
      assert.deepEqual(rows, []);
    });

    test("records an event without an actor for each factor", async () => {
      const { access_token } = await newUser(worker, "bobby");
      const { id } = await enrolTotp(worker, { access_token });
      assert.equal((await run("bobby")).code, 0);
      const events = await worker.db
        .selectFrom("event")
        .select(["actor", "data"])
        .where("type", "=", "factor.removed")
        .where("username", "=", "bobby")
        .execute();
      const removed = events.map(({ actor, data }) => ({
        actor,
        ...(JSON.parse(data) as { id: string; type: string }),
      }));
      assert.deepEqual(removed.map(({ actor, type }) => [actor, type]).toSorted(), [
        [null, "recovery_codes"],
        [null, "totp"],
      ]);
      assert.ok(removed.some((event) => event.id === id));
    });

    test("an account without factors is no error; an unknown account is", async () => {
      await newUser(worker, "carol");
      assert.deepEqual(await run("carol"), { code: 0, stdout: "", stderr: "carol has no second factors\n" });
      const { code, stdout, stderr } = await run("nobody");
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, /^authmq: there is no account nobody\n$/);
      assert.equal((await run()).code, 2, "a name is required");
    });

    test("works while second factors are turned off", async () => {
      const { access_token } = await newUser(worker, "dave");
      await enrolTotp(worker, { access_token });
      const { app_config: app, ...rest } = worker.raw;
      const folder = folderWith({ ...rest, app_config: { ...app, second_factor: "off" } });
      const { code, stdout, stderr } = await runCli(["users", "reset-factors", "dave"], { cwd: folder });
      assert.equal(code, 0, stderr);
      assert.equal(stdout.trim().split("\n").length, 2);
    });
  });
}
