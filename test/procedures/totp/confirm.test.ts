import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { deleteExpired } from "../../../src/rpc/cleanup.ts";
import { toSqlTime } from "../../../src/db/time.ts";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { connectKeyed } from "../../support/keyed-caller.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import {
  challengeOf,
  codeOf,
  enrolPasskey,
  enrolTotp,
  newUser,
  nextCodeOf,
  secondFactors,
  wrongCodeOf,
} from "../../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`totp_confirm on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database, config: secondFactors() });
      await worker.startReplica();
    });
    after(() => worker[Symbol.asyncDispose]());

    const confirm = (request: object) => worker.call("totp_confirm", request);
    /** A user who has begun an enrolment. */
    const begun = async (username: string) => {
      const user = await newUser(worker, username);
      const { secret } = dataOf(await worker.call("totp_begin", user));
      return { user, secret: String(secret) };
    };
    const factorsOf = async (user: object): Promise<Record<string, unknown>[]> =>
      dataOf(await worker.call("factor_all", user))["factors"] as Record<string, unknown>[];

    test("finishes the enrolment, with ten recovery codes of the first factor", async () => {
      const { user, secret } = await begun("Alice");
      const { id, recovery_codes, ...rest } = dataOf(
        await confirm({ ...user, totp: codeOf(secret), name: "phone" }),
      );
      assert.deepEqual(rest, {});
      assert.equal(new Set(recovery_codes as string[]).size, 10);
      const [totp, codes, ...others] = await factorsOf(user);
      assert.deepEqual(others, []);
      assert.deepEqual(
        [totp?.["id"], totp?.["type"], totp?.["name"], totp?.["last_use"]],
        [id, "totp", "phone", null],
      );
      assert.deepEqual([codes?.["type"], codes?.["remaining"]], ["recovery_codes", 10]);
    });

    test("returns no recovery codes with a second factor, and no ID token with an access token", async () => {
      const user = await newUser(worker, "has-one");
      assert.equal((await enrolPasskey(worker, user)).recovery_codes?.length, 10);
      const { recovery_codes, id_token } = await enrolTotp(worker, user);
      assert.deepEqual([recovery_codes, id_token], [undefined, undefined]);
    });

    test("replaces the TOTP of the account: its codes stop working, and the recovery codes do not", async () => {
      const user = await newUser(worker, "new-phone");
      const old = await enrolTotp(worker, user);
      const { id, secret, recovery_codes } = await enrolTotp(worker, user);
      assert.equal(recovery_codes, undefined);
      assert.deepEqual(
        (await factorsOf(user)).map((one) => [one["type"], one["id"] === id]),
        [
          ["recovery_codes", false],
          ["totp", true],
        ],
      );
      const { challenge } = await challengeOf(worker, "new-phone");
      const answer = (given: object) => worker.call("login_continue", { challenge, ...given });
      assertRefused(await answer({ totp: nextCodeOf(old.secret) }), 401, "INVALID_CREDENTIALS");
      dataOf(await answer({ totp: nextCodeOf(secret) }));
      const again = await challengeOf(worker, "new-phone");
      const request = { challenge: again.challenge, recovery_code: old.recovery_codes?.[0] };
      dataOf(await worker.call("login_continue", request));
    });

    test("is 401 for a wrong code, and then works with the right one", async () => {
      const { user, secret } = await begun("mistyping");
      for (let n = 0; n < 3; n++)
        assertRefused(await confirm({ ...user, totp: wrongCodeOf(secret, n) }), 401, "INVALID_CREDENTIALS");
      assert.deepEqual(await factorsOf(user), []);
      dataOf(await confirm({ ...user, totp: codeOf(secret) }));
    });

    test("is 409 if nothing was begun, if it was confirmed already, and after an hour", async () => {
      const idle = await newUser(worker, "idle-user");
      assertRefused(await confirm({ ...idle, totp: "123456" }), 409, "NO_PENDING_FACTOR");
      const { user, secret } = await begun("twice-user");
      dataOf(await confirm({ ...user, totp: codeOf(secret) }));
      assertRefused(await confirm({ ...user, totp: codeOf(secret) }), 409, "NO_PENDING_FACTOR");
      const late = await begun("late-user");
      await worker.db
        .updateTable("factor")
        .set({ created_at: toSqlTime(new Date(Date.now() - 61 * 60_000)) } as object)
        .where("user_id", "=", "late-user")
        .execute();
      assertRefused(await confirm({ ...late.user, totp: codeOf(late.secret) }), 409, "NO_PENDING_FACTOR");
      const rowsOf = async (username: string): Promise<number> => {
        const rows = worker.db.selectFrom("factor").select("factor_id").where("user_id", "=", username);
        return (await rows.where("type", "=", "totp").execute()).length;
      };
      await begun("early-user");
      await worker.db
        .updateTable("lease")
        .set({ held_until: toSqlTime(new Date(0)) })
        .execute();
      await deleteExpired(worker.db, worker.config);
      const left = await Promise.all(["late-user", "early-user", "twice-user"].map(rowsOf));
      assert.deepEqual(left, [0, 1, 1], "only the enrolment that is too old is deleted");
    });

    test("ten parallel confirmations enrol one factor, with one set of recovery codes", async () => {
      const { user, secret } = await begun("racing");
      const request = { ...user, totp: codeOf(secret) };
      const replies = await Promise.all(Array.from({ length: 10 }, () => confirm(request)));
      const codes = replies.map(({ resp_code }) => resp_code).toSorted();
      assert.deepEqual(codes, [200, ...new Array<number>(9).fill(409)]);
      assert.deepEqual((await factorsOf(user)).map(({ type }) => type).toSorted(), [
        "recovery_codes",
        "totp",
      ]);
    });

    test("a replay with the idempotency key returns the same id and recovery codes, which are not stored", async () => {
      const { user, secret } = await begun("retrying");
      await using caller = await connectKeyed(worker);
      const request = { ...user, totp: codeOf(secret) };
      const first = await caller.call("confirm-1", "totp_confirm", request);
      const codes = dataOf(first)["recovery_codes"] as string[];
      for (let n = 0; n < 4; n++)
        assert.deepEqual(await caller.call("confirm-1", "totp_confirm", request), first);
      assertRefused(await caller.call("confirm-2", "totp_confirm", request), 409, "NO_PENDING_FACTOR");
      const stored = JSON.stringify(await worker.db.selectFrom("rpc_inbox").selectAll().execute());
      for (const code of codes)
        assert.ok(!stored.includes(code) && !stored.includes(Buffer.from(code).toString("hex")));
      const { challenge } = await challengeOf(worker, "retrying");
      dataOf(await worker.call("login_continue", { challenge, recovery_code: codes[9] }));
    });

    test("needs the access token of the account that has begun it", async () => {
      const { secret } = await begun("begun-by-me");
      const other = await newUser(worker, "not-me");
      assertRefused(await confirm({ ...other, totp: codeOf(secret) }), 409, "NO_PENDING_FACTOR");
      await assertNeedsAccessToken(worker, "totp_confirm", { totp: "123456" });
      const access_token = await worker.accessToken("begun-by-me", ["admin"]);
      assertRefused(await confirm({ access_token, totp: codeOf(secret) }), 403, "FORBIDDEN");
    });

    test("names the fields that are missing or of the wrong type", async () => {
      const { user, secret } = await begun("malformed");
      assertInvalid(await confirm(user), "totp");
      for (const totp of [
        null,
        7,
        287_082,
        "",
        "12345",
        "1234567",
        "abcdef",
        ["123456"],
        "٢٨٧٠٨٢",
        "12345\n",
      ])
        assertInvalid(await confirm({ ...user, totp }), "totp");
      const right = { ...user, totp: codeOf(secret) };
      for (const name of [7, "", "x".repeat(101), "line\nbreak", "\u0000"])
        assertInvalid(await confirm({ ...right, name }), "name");
      const { id } = dataOf(await confirm({ ...right, name: null }));
      const totp = (await factorsOf(user)).find((one) => one["id"] === id);
      assert.equal(totp?.["name"], "authenticator app");
    });
  });
}
