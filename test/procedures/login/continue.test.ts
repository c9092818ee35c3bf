import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { connectKeyed } from "../../support/keyed-caller.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import {
  accessTokenOf,
  challengeOf,
  codeOf,
  enrolPasskey,
  enrolTotp,
  freeSteps,
  newUser,
  nextCodeOf,
  optionsOf,
  ORIGIN,
  PASSWORD,
  secondFactors,
  stepFor10Seconds,
  wrongCodeOf,
} from "../../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`login_continue on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database, config: secondFactors() });
      // Either replica processes a call: whatever works here works across replicas.
      await worker.startReplica();
    });
    after(() => worker[Symbol.asyncDispose]());

    const answer = (challenge: string, given: object) =>
      worker.call("login_continue", { challenge, ...given });
    const assertWrong = async (challenge: string, given: object): Promise<void> =>
      assertRefused(await answer(challenge, given), 401, "INVALID_CREDENTIALS");
    /** A user with a TOTP. */
    const withTotp = async (username: string) => {
      const user = await newUser(worker, username);
      return { ...user, totp: await enrolTotp(worker, user) };
    };
    const sessionsOf = async (username: string): Promise<number> =>
      (await worker.db.selectFrom("token").selectAll().where("user_id", "=", username).execute()).length;

    test("completes a login with a TOTP code: the session is that of the login, and says how", async () => {
      const { totp } = await withTotp("Alice");
      const login = { ip: "192.0.2.7", vhost: "orders", client: "Firefox on Linux" };
      const { challenge, methods, passkey_options } = await challengeOf(worker, "aLICE", login);
      assert.deepEqual([methods, passkey_options], [["totp", "recovery_code"], undefined]);
      const since = Math.floor(Date.now() / 1000);
      const reply = await answer(challenge, { totp: nextCodeOf(totp.secret), ip: "192.0.2.7" });
      const { id_token, expires_at, expires_in, ...rest } = dataOf(reply);
      assert.deepEqual(rest, {});
      const claims = decodeJwt(String(id_token));
      assert.deepEqual(
        [claims.sub, claims["ip"], claims["amr"]],
        ["Alice", "192.0.2.7", ["pwd", "otp", "mfa"]],
      );
      assert.ok(Number(claims["auth_time"]) >= since, "auth_time is before the login");
      assert.deepEqual([expires_at, expires_in], [new Date(claims.exp! * 1000).toISOString(), 24 * 3600]);
      const access_token = await accessTokenOf(worker, id_token, { ip: "192.0.2.7" });
      const { amr, auth_time, vhost } = decodeJwt(access_token);
      assert.deepEqual([amr, auth_time, vhost], [["pwd", "otp", "mfa"], claims["auth_time"], "orders"]);
      const { sessions } = dataOf(await worker.call("session_all", { access_token }));
      const [mine] = (sessions as Record<string, unknown>[]).filter(({ current }) => current);
      assert.deepEqual(
        [mine?.["client"], mine?.["ip"], mine?.["vhost"]],
        [login.client, login.ip, login.vhost],
      );
    });

    test("accepts a code with spaces, and of the steps before and after the current one", async () => {
      const { totp } = await withTotp("drifting");
      const spaced = nextCodeOf(totp.secret).replace(/^.../, " $& ");
      dataOf(await answer((await challengeOf(worker, "drifting")).challenge, { totp: spaced }));
      for (const steps of [-1, 0]) {
        await freeSteps(worker, totp);
        const { challenge } = await challengeOf(worker, "drifting");
        await stepFor10Seconds();
        dataOf(await answer(challenge, { totp: codeOf(totp.secret, Date.now() + steps * 30_000) }));
      }
      await freeSteps(worker, totp);
      const { challenge } = await challengeOf(worker, "drifting");
      for (const steps of [-3, -2, 3])
        await assertWrong(challenge, { totp: codeOf(totp.secret, Date.now() + steps * 30_000) });
    });

    test("completes a login with a recovery code, once, however it is typed", async () => {
      const { totp } = await withTotp("lost-phone");
      const [code = "", other = ""] = totp.recovery_codes ?? [];
      const { challenge } = await challengeOf(worker, "lost-phone");
      const reply = await answer(challenge, { recovery_code: code.toUpperCase().replaceAll("-", " ") });
      assert.deepEqual(decodeJwt(String(dataOf(reply)["id_token"]))["amr"], ["pwd", "otp", "mfa"]);
      const again = await challengeOf(worker, "lost-phone");
      await assertWrong(again.challenge, { recovery_code: code });
      dataOf(await answer(again.challenge, { recovery_code: other }));
    });

    test("completes a login with a passkey, with or without verification of the user", async () => {
      const user = await newUser(worker, "with-key");
      const { device } = await enrolPasskey(worker, user);
      for (const verified of [true, false]) {
        const { challenge, methods, ...rest } = await challengeOf(worker, "with-key");
        assert.deepEqual(methods, ["passkey", "recovery_code"]);
        const options = optionsOf(rest);
        assert.deepEqual(options["allowCredentials"], [
          { id: device.ids[0], type: "public-key", transports: ["internal"] },
        ]);
        const passkey = device.get(options, { origin: ORIGIN, verified });
        const { id_token } = dataOf(await answer(challenge, { passkey }));
        assert.deepEqual(decodeJwt(String(id_token))["amr"], ["pwd", "hwk", "mfa"]);
      }
    });

    test("accepts each factor of an account that has several", async () => {
      const user = await newUser(worker, "many-ways");
      const totp = await enrolTotp(worker, user);
      const { device } = await enrolPasskey(worker, user);
      const second = await enrolPasskey(worker, user);
      const { challenge, methods, ...rest } = await challengeOf(worker, "many-ways");
      assert.deepEqual(methods, ["totp", "passkey", "recovery_code"]);
      dataOf(await answer(challenge, { passkey: device.get(optionsOf(rest), { origin: ORIGIN }) }));
      const next = await challengeOf(worker, "many-ways");
      dataOf(
        await answer(next.challenge, { passkey: second.device.get(optionsOf(next), { origin: ORIGIN }) }),
      );
      dataOf(
        await answer((await challengeOf(worker, "many-ways")).challenge, { totp: nextCodeOf(totp.secret) }),
      );
    });

    test("works after a login that has replaced the password's hash by one of the configured cost", async () => {
      await worker.addUser("costly", PASSWORD);
      const totp = await enrolTotp(worker, { access_token: await worker.ownToken("costly", PASSWORD) });
      await worker.addUser("cheap-hash", PASSWORD, { cost: 5 });
      const { password_hash } = await worker.db
        .selectFrom("user")
        .select("password_hash")
        .where("username", "=", "cheap-hash")
        .executeTakeFirstOrThrow();
      await worker.db.updateTable("user").set({ password_hash }).where("username", "=", "costly").execute();
      const { challenge } = await challengeOf(worker, "costly");
      dataOf(await answer(challenge, { totp: nextCodeOf(totp.secret) }));
    });

    test("a replay with the idempotency key returns the same session, and another answer is a conflict", async () => {
      const { totp } = await withTotp("retrying");
      await using caller = await connectKeyed(worker);
      const { challenge } = await challengeOf(worker, "retrying");
      const request = { challenge, totp: nextCodeOf(totp.secret) };
      const first = await caller.call("retry-1", "login_continue", request);
      dataOf(first);
      const count = await sessionsOf("retrying");
      for (let n = 0; n < 5; n++)
        assert.deepEqual(await caller.call("retry-1", "login_continue", request), first);
      assert.equal(await sessionsOf("retrying"), count);
      const other = { ...request, totp: "000000" };
      assertRefused(await caller.call("retry-1", "login_continue", other), 409, "IDEMPOTENCY_CONFLICT");
      assertRefused(await caller.call("retry-2", "login_continue", request), 401, "INVALID_CREDENTIALS");
    });

    test("a wrong answer is not remembered: the right one with the same idempotency key starts the session", async () => {
      const { totp } = await withTotp("mistyping");
      await using caller = await connectKeyed(worker);
      const { challenge } = await challengeOf(worker, "mistyping");
      const wrong = await caller.call("typo-1", "login_continue", {
        challenge,
        totp: wrongCodeOf(totp.secret),
      });
      assertRefused(wrong, 401, "INVALID_CREDENTIALS");
      dataOf(await caller.call("typo-1", "login_continue", { challenge, totp: nextCodeOf(totp.secret) }));
    });

    test("has the same reply for every wrong answer", async () => {
      const { totp, ...user } = await withTotp("uniform");
      const { device } = await enrolPasskey(worker, user);
      const { challenge, ...rest } = await challengeOf(worker, "uniform");
      const wrong = await answer(challenge, { totp: wrongCodeOf(totp.secret) });
      for (const given of [
        { recovery_code: "no such code" },
        { passkey: device.get(optionsOf(rest), { origin: "https://example.org" }) },
        { passkey: device.get(optionsOf(rest), { origin: ORIGIN, id: "bm9ib2R5" }) },
        { totp: totp.usedCode },
        { totp: nextCodeOf(totp.secret) }, // the sixth answer
      ])
        assert.deepEqual(await answer(challenge, given), wrong);
      const { challenge: next } = await challengeOf(worker, "uniform");
      assert.deepEqual(await answer(next, { totp: wrongCodeOf(totp.secret), ip: "192.0.2.1" }), wrong);
    });

    test("names the fields that are missing, too many or of the wrong type", async () => {
      const { totp } = await withTotp("malformed");
      const { challenge, ...rest } = await challengeOf(worker, "malformed");
      assert.equal(rest.passkey_options, undefined);
      assertInvalid(await worker.call("login_continue", {}), "challenge", "totp");
      assertInvalid(await answer(challenge, {}), "totp");
      assertInvalid(await answer(challenge, { totp: null, recovery_code: null, passkey: null }), "totp");
      assertInvalid(await answer(challenge, { totp: "123456", recovery_code: "x" }), "totp");
      for (const given of [
        7,
        true,
        ["123456"],
        "",
        "12345",
        "1234567",
        "abcdef",
        "٢٨٧٠٨٢",
        "12345\n",
        "1e5000",
        "-12345",
      ])
        assertInvalid(await answer(challenge, { totp: given }), "totp");
      for (const given of [7, "", "x".repeat(101), [totp.recovery_codes?.[0]]])
        assertInvalid(await answer(challenge, { recovery_code: given }), "recovery_code");
      for (const given of ["x", 7, [], true])
        assertInvalid(await answer(challenge, { passkey: given }), "passkey");
      for (const value of [7, null, "", "x".repeat(101), {}])
        assertInvalid(await worker.call("login_continue", { challenge: value, totp: "123456" }), "challenge");
      assertInvalid(await answer(challenge, { totp: "123456", ip: "here" }), "ip");
      // None of these was an answer.
      for (let n = 0; n < 4; n++) await assertWrong(challenge, { totp: wrongCodeOf(totp.secret, n) });
      dataOf(await answer(challenge, { totp: nextCodeOf(totp.secret), recovery_code: null }));
    });

    test("names the fields of a passkey that are malformed or too long", async () => {
      const user = await newUser(worker, "bad-passkey");
      const { device } = await enrolPasskey(worker, user);
      const { challenge, ...rest } = await challengeOf(worker, "bad-passkey");
      const passkey = device.get(optionsOf(rest), { origin: ORIGIN });
      const within = (changes: object) => ({
        passkey: { ...passkey, response: { ...passkey.response, ...changes } },
      });
      for (const name of ["clientDataJSON", "authenticatorData", "signature"])
        for (const value of [undefined, null, 7, "", "not base64url!", "A".repeat(16_385), "AA=="])
          assertInvalid(await answer(challenge, within({ [name]: value })), `passkey.response.${name}`);
      assertInvalid(
        await answer(challenge, within({ userHandle: "A".repeat(101) })),
        "passkey.response.userHandle",
      );
      for (const [name, value] of [
        ["id", "A".repeat(1365)],
        ["rawId", undefined],
        ["type", "password"],
      ] as const)
        assertInvalid(await answer(challenge, { passkey: { ...passkey, [name]: value } }), `passkey.${name}`);
      dataOf(await answer(challenge, { passkey }));
    });
  });
}
