import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { connectKeyed } from "../../support/keyed-caller.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
import { challengeOf, enrolTotp, newUser, secondFactors } from "../../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`recovery_codes_renew on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database, config: secondFactors() });
      await worker.startReplica();
    });
    after(() => worker[Symbol.asyncDispose]());

    const renew = (request: object) => worker.call("recovery_codes_renew", request);
    const codesOf = async (request: object): Promise<string[]> =>
      dataOf(await renew(request))["recovery_codes"] as string[];
    const logIn = async (username: string, recovery_code: unknown) =>
      worker.call("login_continue", {
        challenge: (await challengeOf(worker, username)).challenge,
        recovery_code,
      });

    test("replaces the recovery codes: the new ones work, the earlier ones do not", async () => {
      const user = await newUser(worker, "Alice");
      const { recovery_codes: earlier = [] } = await enrolTotp(worker, user);
      const codes = await codesOf(user);
      assert.equal(new Set([...codes, ...earlier]).size, 20);
      assertRefused(await logIn("Alice", earlier[0]), 401, "INVALID_CREDENTIALS");
      dataOf(await logIn("Alice", codes[0]));
      const factors = dataOf(await worker.call("factor_all", user))["factors"] as Record<string, unknown>[];
      assert.deepEqual(
        factors.map(({ type, remaining }) => [type, remaining]),
        [
          ["totp", undefined],
          ["recovery_codes", 9],
        ],
      );
    });

    test("gives an account codes again that has removed or used up all of them", async () => {
      const user = await newUser(worker, "used-up");
      const { recovery_codes = [] } = await enrolTotp(worker, user);
      for (const code of recovery_codes) dataOf(await logIn("used-up", code));
      assert.deepEqual((await challengeOf(worker, "used-up")).methods, ["totp"]);
      dataOf(await logIn("used-up", (await codesOf(user))[9]));
      assert.deepEqual((await challengeOf(worker, "used-up")).methods, ["totp", "recovery_code"]);
    });

    test("is 404 for an account without a factor", async () => {
      const user = await newUser(worker, "has-none");
      assertRefused(await renew(user), 404, "FACTOR_NOT_FOUND");
      dataOf(await worker.call("totp_begin", user));
      assertRefused(await renew(user), 404, "FACTOR_NOT_FOUND");
    });

    test("ten parallel requests leave one set of codes", async () => {
      const user = await newUser(worker, "racing");
      await enrolTotp(worker, user);
      const sets = await Promise.all(Array.from({ length: 10 }, () => codesOf(user)));
      assert.equal(new Set(sets.flat()).size, 100);
      const replies = [];
      for (const [code] of sets) replies.push(await logIn("racing", code));
      assert.equal(replies.filter(({ resp_code }) => resp_code === 200).length, 1);
    });

    test("a replay with the idempotency key returns the same codes, which are not stored", async () => {
      const user = await newUser(worker, "retrying");
      await enrolTotp(worker, user);
      await using caller = await connectKeyed(worker);
      const first = await caller.call("renew-1", "recovery_codes_renew", user);
      const codes = dataOf(first)["recovery_codes"] as string[];
      for (let n = 0; n < 4; n++)
        assert.deepEqual(await caller.call("renew-1", "recovery_codes_renew", user), first);
      const { reply } = Object.fromEntries(
        (await worker.db.selectFrom("rpc_inbox").selectAll().execute()).map((row) => [
          "reply",
          JSON.stringify(row),
        ]),
      );
      for (const code of codes) assert.ok(!String(reply).includes(code));
      dataOf(await logIn("retrying", codes[0]));
    });

    test("needs an access token, and renews nobody else's codes", async () => {
      await assertNeedsAccessToken(worker, "recovery_codes_renew", {});
      const victim = await newUser(worker, "victim");
      const { recovery_codes } = await enrolTotp(worker, victim);
      const root = await newUser(worker, "root", { groups: ["admin"] });
      assertRefused(await renew({ ...root, username: "victim" }), 404, "FACTOR_NOT_FOUND");
      dataOf(await logIn("victim", recovery_codes?.[0]));
      const key = { username: "victim", name: "key", access_token: root.access_token };
      const { api_key } = dataOf(await worker.call("api_key_create", key));
      const { access_token } = dataOf(await worker.call("token", { api_key }));
      assertRefused(await renew({ access_token }), 403, "FORBIDDEN");
    });
  });
}
