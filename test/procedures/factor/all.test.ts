import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import {
  challengeOf,
  enrolPasskey,
  enrolTotp,
  newUser,
  nextCodeOf,
  secondFactors,
} from "../../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

for (const database of DATABASES) {
  describe(`factor_all on ${database}`, () => {
    let worker: TestWorker;
    let admin: string;
    before(async () => {
      worker = await startWorker({ database, config: secondFactors() });
      admin = await worker.accessToken("root", ["admin"]);
    });
    after(() => worker[Symbol.asyncDispose]());

    const list = (request: object) => worker.call("factor_all", request);

    test("lists the caller's factors, the oldest first, without anything secret", async () => {
      const user = await newUser(worker, "Alice");
      assert.deepEqual(dataOf(await list(user)), { factors: [] });
      const totp = await enrolTotp(worker, user);
      const passkey = await enrolPasskey(worker, user, undefined, { name: "<b>laptop</b>" });
      const factors = dataOf(await list(user))["factors"] as Record<string, unknown>[];
      const shown = factors.map(({ created_at, ...rest }) => {
        assert.match(String(created_at), TIME);
        return rest;
      });
      const codes = shown.find(({ type }) => type === "recovery_codes");
      assert.deepEqual(shown, [
        { id: totp.id, type: "totp", name: "authenticator app", last_use: null },
        { id: codes?.["id"], type: "recovery_codes", name: "recovery codes", last_use: null, remaining: 10 },
        { id: passkey.id, type: "passkey", name: "<b>laptop</b>", last_use: null },
      ]);
    });

    test("shows the last use of a factor, and how many recovery codes remain", async () => {
      const user = await newUser(worker, "in-use");
      const { secret, recovery_codes } = await enrolTotp(worker, user);
      for (const given of [{ totp: nextCodeOf(secret) }, { recovery_code: recovery_codes?.[3] }]) {
        const { challenge } = await challengeOf(worker, "in-use");
        dataOf(await worker.call("login_continue", { challenge, ...given }));
      }
      const [totp, codes] = dataOf(await list(user))["factors"] as Record<string, unknown>[];
      for (const used of [totp, codes]) assert.match(String(used?.["last_use"]), TIME);
      assert.equal(codes?.["remaining"], 9);
    });

    test("lists another user's factors for an admin alone", async () => {
      const user = await newUser(worker, "Listed");
      await enrolTotp(worker, user);
      const own = dataOf(await list(user));
      assert.deepEqual(dataOf(await list({ username: "lISTED", access_token: admin })), own);
      const other = await newUser(worker, "curious");
      assertRefused(await list({ ...other, username: "Listed" }), 403, "FORBIDDEN");
      assert.deepEqual(dataOf(await list({ ...user, username: "LISTED" })), own);
    });

    test("is 404 for an unknown user", async () => {
      assertRefused(await list({ username: "nobody", access_token: admin }), 404, "USER_NOT_FOUND");
      const access_token = await worker.accessToken("nobody");
      assertRefused(await list({ access_token }), 404, "USER_NOT_FOUND");
    });

    test("needs an access token, and a valid username", async () => {
      await assertNeedsAccessToken(worker, "factor_all", {});
      for (const username of [7, "", "a b", ["Alice"], "x' or '1'='1"])
        assertInvalid(await list({ username, access_token: admin }), "username");
    });
  });
}
