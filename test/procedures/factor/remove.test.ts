import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { connectKeyed } from "../../support/keyed-caller.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import {
  challengeOf,
  enrolPasskey,
  enrolTotp,
  newUser,
  nextCodeOf,
  optionsOf,
  ORIGIN,
  PASSWORD,
  secondFactors,
} from "../../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`factor_remove on ${database}`, () => {
    let worker: TestWorker;
    let admin: string;
    before(async () => {
      worker = await startWorker({ database, config: secondFactors() });
      await worker.startReplica();
      admin = await worker.accessToken("root", ["admin"]);
    });
    after(() => worker[Symbol.asyncDispose]());

    const remove = (request: object) => worker.call("factor_remove", request);
    const typesOf = async (user: object): Promise<unknown[]> =>
      (dataOf(await worker.call("factor_all", user))["factors"] as { type: string }[]).map(
        ({ type }) => type,
      );
    const rowsOf = async (username: string): Promise<number> =>
      (await worker.db.selectFrom("factor").selectAll().where("user_id", "=", username).execute()).length;

    test("removes one factor; the others go on, with the recovery codes", async () => {
      const user = await newUser(worker, "Alice");
      const totp = await enrolTotp(worker, user);
      const { device, id } = await enrolPasskey(worker, user);
      const { success, msg, ...rest } = dataOf(await remove({ ...user, id: totp.id }));
      assert.deepEqual([success, typeof msg, rest], [true, "string", {}]);
      assert.deepEqual(await typesOf(user), ["recovery_codes", "passkey"]);
      const { challenge, methods, ...challenged } = await challengeOf(worker, "Alice");
      assert.deepEqual(methods, ["passkey", "recovery_code"]);
      const answer = (given: object) => worker.call("login_continue", { challenge, ...given });
      assertRefused(await answer({ totp: nextCodeOf(totp.secret) }), 401, "INVALID_CREDENTIALS");
      dataOf(await answer({ passkey: device.get(optionsOf(challenged), { origin: ORIGIN }) }));
      assert.notEqual(id, totp.id);
    });

    test("removes the recovery codes with the last factor: the login needs the password alone", async () => {
      const user = await newUser(worker, "last-one");
      const { id } = await enrolTotp(worker, user);
      dataOf(await remove({ ...user, id }));
      assert.deepEqual(await typesOf(user), []);
      assert.equal(await rowsOf("last-one"), 0);
      const codes = await worker.db
        .selectFrom("recovery_code")
        .selectAll()
        .where("factor_id", "=", BigInt(id))
        .execute();
      assert.deepEqual(codes, []);
      await worker.login("last-one", PASSWORD);
      assert.equal((await enrolTotp(worker, user)).recovery_codes?.length, 10);
    });

    test("removes the recovery codes alone", async () => {
      const user = await newUser(worker, "no-codes");
      const totp = await enrolTotp(worker, user);
      const factors = dataOf(await worker.call("factor_all", user))["factors"] as {
        id: string;
        type: string;
      }[];
      const { id } = factors.find(({ type }) => type === "recovery_codes")!;
      dataOf(await remove({ ...user, id }));
      const { challenge, methods } = await challengeOf(worker, "no-codes");
      assert.deepEqual(methods, ["totp"]);
      const request = { challenge, recovery_code: totp.recovery_codes?.[0] };
      assertRefused(await worker.call("login_continue", request), 401, "INVALID_CREDENTIALS");
    });

    test("an admin removes another user's factor, also in another spelling of the name", async () => {
      const user = await newUser(worker, "Phone-Lost");
      const { id } = await enrolTotp(worker, user);
      dataOf(await remove({ username: "pHONE-lOST", id, access_token: admin }));
      await worker.login("phone-lost", PASSWORD);
    });

    test("a user removes no factor of another user, by its id or the user's name", async () => {
      const victim = await newUser(worker, "victim");
      const { id } = await enrolTotp(worker, victim);
      const mallory = await newUser(worker, "mallory");
      assertRefused(await remove({ ...mallory, id }), 404, "FACTOR_NOT_FOUND");
      assertRefused(await remove({ ...mallory, id, username: "victim" }), 403, "FORBIDDEN");
      assertRefused(await remove({ username: "mallory", id, access_token: admin }), 404, "FACTOR_NOT_FOUND");
      assert.equal(await rowsOf("victim"), 2);
    });

    test("is 404 for a factor that was removed, is not confirmed or never was, and an unknown user", async () => {
      const user = await newUser(worker, "missing");
      const { id } = await enrolTotp(worker, user);
      dataOf(await remove({ ...user, id }));
      dataOf(await worker.call("totp_begin", user));
      const pending = await worker.db
        .selectFrom("factor")
        .select("factor_id")
        .where("user_id", "=", "missing")
        .executeTakeFirstOrThrow();
      const none = ["0", "-1", "", "1e3", " 1", "x", "9223372036854775808", `0${id}`, "1' or '1'='1"];
      for (const one of [id, String(pending.factor_id), ...none])
        assertRefused(await remove({ ...user, id: one }), 404, "FACTOR_NOT_FOUND");
      assertRefused(await remove({ username: "nobody", id, access_token: admin }), 404, "USER_NOT_FOUND");
      assert.equal(await rowsOf("missing"), 1);
    });

    test("ten parallel removals of different factors leave none, and ten of one remove it once", async () => {
      const user = await newUser(worker, "racing");
      const ids: string[] = [];
      for (let n = 0; n < 10; n++) ids.push((await enrolPasskey(worker, user)).id);
      const replies = await Promise.all(ids.map((id) => remove({ ...user, id })));
      for (const reply of replies) dataOf(reply);
      assert.deepEqual(await typesOf(user), []);
      const { id } = await enrolTotp(worker, user);
      const same = await Promise.all(Array.from({ length: 10 }, () => remove({ ...user, id })));
      const codes = same.map(({ resp_code }) => resp_code).toSorted();
      assert.deepEqual(codes, [200, ...new Array<number>(9).fill(404)]);
    });

    test("a replay with the idempotency key returns the same reply", async () => {
      const user = await newUser(worker, "retrying");
      const { id } = await enrolTotp(worker, user);
      await using caller = await connectKeyed(worker);
      const first = await caller.call("remove-1", "factor_remove", { ...user, id });
      dataOf(first);
      assert.deepEqual(await caller.call("remove-1", "factor_remove", { ...user, id }), first);
    });

    test("needs an access token, not of an API key of the account, and an id", async () => {
      await assertNeedsAccessToken(worker, "factor_remove", { id: "1" });
      const user = await newUser(worker, "has-a-key");
      const { id } = await enrolTotp(worker, user);
      const root = await newUser(worker, "root", { groups: ["admin"] });
      const key = { username: "has-a-key", name: "key", access_token: root.access_token };
      const { api_key } = dataOf(await worker.call("api_key_create", key));
      const { access_token } = dataOf(await worker.call("token", { api_key }));
      assertRefused(await remove({ access_token, id }), 403, "FORBIDDEN");
      assertInvalid(await remove(user), "id");
      for (const value of [null, 7, ["1"], {}, true])
        assertInvalid(await remove({ ...user, id: value }), "id");
      assertInvalid(await remove({ id, username: 7, access_token: admin }), "username");
    });
  });
}
