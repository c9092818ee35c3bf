import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertRefused, dataOf } from "../../support/replies.ts";
import {
  challengeOf,
  enrolPasskey,
  enrolTotp,
  expire,
  newUser,
  nextCodeOf,
  optionsOf,
  ORIGIN,
  PASSWORD,
  secondFactors,
  wrongCodeOf,
} from "../../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`refusals of login_continue on ${database}`, () => {
    let worker: TestWorker;
    let admin: string;
    before(async () => {
      worker = await startWorker({ database, config: secondFactors() });
      // Either replica processes a call: whatever works here works across replicas.
      await worker.startReplica();
      admin = await worker.accessToken("root", ["admin"]);
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

    test("five wrong answers end the challenge: the sixth is refused, although it is right", async () => {
      const { totp } = await withTotp("guessed");
      const { challenge } = await challengeOf(worker, "guessed");
      const recovery_code = "0000-0000-0000-0000";
      for (const given of [0, 1, 2].map((n) => ({ totp: wrongCodeOf(totp.secret, n) })))
        await assertWrong(challenge, given);
      await assertWrong(challenge, { recovery_code });
      await assertWrong(challenge, { totp: wrongCodeOf(totp.secret, 4) });
      await assertWrong(challenge, { totp: nextCodeOf(totp.secret) });
      await assertWrong(challenge, { recovery_code: totp.recovery_codes?.[0] });
      const next = await challengeOf(worker, "guessed");
      for (let n = 0; n < 4; n++) await assertWrong(next.challenge, { totp: wrongCodeOf(totp.secret, n) });
      dataOf(await answer(next.challenge, { totp: nextCodeOf(totp.secret) }));
    });

    test("ten parallel answers with the same right code start one session", async () => {
      const { totp } = await withTotp("racing");
      const before = await sessionsOf("racing");
      for (const given of [{ totp: nextCodeOf(totp.secret) }, { recovery_code: totp.recovery_codes?.[0] }]) {
        const challenges = await Promise.all(Array.from({ length: 10 }, () => challengeOf(worker, "racing")));
        const replies = await Promise.all(challenges.map(({ challenge }) => answer(challenge, given)));
        const codes = replies.map(({ resp_code }) => resp_code).toSorted();
        assert.deepEqual(codes, [200, ...new Array<number>(9).fill(401)], JSON.stringify(Object.keys(given)));
      }
      assert.equal((await sessionsOf("racing")) - before, 2);
    });

    test("ten parallel right answers to one challenge start one session, whatever the factor", async () => {
      const user = await newUser(worker, "racing-too");
      const totp = await enrolTotp(worker, user);
      const { device } = await enrolPasskey(worker, user);
      const codes = totp.recovery_codes ?? [];
      for (const answers of [
        () => ({ totp: nextCodeOf(totp.secret) }),
        ({ options }: { options: object }) => ({ passkey: device.get({ ...options }, { origin: ORIGIN }) }),
        ({ index }: { index: number }) => ({ recovery_code: codes[index] }),
      ]) {
        const challenged = await challengeOf(worker, "racing-too");
        const options = optionsOf(challenged);
        const replies = await Promise.all(
          Array.from({ length: 10 }, (_, index) => answer(challenged.challenge, answers({ options, index }))),
        );
        assert.deepEqual(
          replies.filter(({ resp_code }) => resp_code === 200).length,
          1,
          JSON.stringify(replies),
        );
        for (const reply of replies)
          if (reply.resp_code !== 200) assertRefused(reply, 401, "INVALID_CREDENTIALS");
      }
      const factors = dataOf(await worker.call("factor_all", user))["factors"] as Record<string, unknown>[];
      assert.equal(factors.find(({ type }) => type === "recovery_codes")?.["remaining"], 9);
    });

    test("ten parallel wrong answers: at most five are checked, and then no right one", async () => {
      const { totp } = await withTotp("hammered");
      const { challenge } = await challengeOf(worker, "hammered");
      const replies = await Promise.all(
        Array.from({ length: 10 }, (_, n) => answer(challenge, { totp: wrongCodeOf(totp.secret, n) })),
      );
      for (const reply of replies) assertRefused(reply, 401, "INVALID_CREDENTIALS");
      await assertWrong(challenge, { totp: nextCodeOf(totp.secret) });
      const rows = await worker.db
        .selectFrom("challenge")
        .selectAll()
        .where("user_id", "=", "hammered")
        .execute();
      assert.deepEqual(
        rows.map(({ wrong_answers }) => wrong_answers),
        [5],
      );
    });

    test("refuses a code after its use, for any challenge, by any replica; and the code of the enrolment", async () => {
      const { totp } = await withTotp("replayed");
      const early = await challengeOf(worker, "replayed");
      await assertWrong(early.challenge, { totp: totp.usedCode });
      const code = nextCodeOf(totp.secret);
      const used = await challengeOf(worker, "replayed");
      dataOf(await answer(used.challenge, { totp: code }));
      await assertWrong(used.challenge, { totp: code });
      await assertWrong(early.challenge, { totp: code });
      for (let n = 0; n < 4; n++)
        await assertWrong((await challengeOf(worker, "replayed")).challenge, { totp: code });
    });

    test("refuses the answer of another user, and a challenge of another purpose", async () => {
      const { totp, ...user } = await withTotp("mallory");
      const { device } = await enrolPasskey(worker, user);
      const victim = await newUser(worker, "victim");
      await enrolTotp(worker, victim);
      await enrolPasskey(worker, victim);
      const challenged = await challengeOf(worker, "victim");
      const passkey = device.get({ ...optionsOf(challenged) }, { origin: ORIGIN, use: device.ids[0]! });
      await assertWrong(challenged.challenge, { passkey });
      await assertWrong(challenged.challenge, { totp: nextCodeOf(totp.secret) });
      await assertWrong(challenged.challenge, { recovery_code: totp.recovery_codes?.[0] });
      const begun = dataOf(await worker.call("passkey_begin", victim));
      const enrolment = String(optionsOf(begun)["challenge"]);
      await assertWrong(enrolment, { recovery_code: totp.recovery_codes?.[0] });
      await assertWrong(enrolment, { totp: nextCodeOf(totp.secret) });
    });

    for (const [what, tampered] of Object.entries({
      "another origin": { origin: "https://example.org" },
      "another RP id": { rpId: "example.org" },
      "another challenge": { challenge: "AAAA" },
      "the type of an enrolment": { type: "webauthn.create" },
      "a user who is not present": { present: false },
      "a frame": { crossOrigin: true },
      "the same counter": { counter: 1 },
      "a lower counter": { counter: 0 },
    }))
      test(`refuses a passkey with ${what}, and counts the answer`, async () => {
        const username = `passkey-${what.replaceAll(" ", "-")}`.slice(0, 30);
        const user = await newUser(worker, username);
        const { device } = await enrolPasskey(worker, user, undefined, { counter: 1 });
        const { challenge, ...rest } = await challengeOf(worker, username);
        const options = optionsOf(rest);
        for (let n = 0; n < 5; n++)
          await assertWrong(challenge, { passkey: device.get(options, { origin: ORIGIN, ...tampered }) });
        await assertWrong(challenge, { passkey: device.get(options, { origin: ORIGIN }) });
      });

    test("is bound to the address of the login", async () => {
      const { totp } = await withTotp("moving");
      const { challenge } = await challengeOf(worker, "moving", { ip: "192.0.2.7" });
      for (const ip of ["192.0.2.8", "2001:db8::7"])
        await assertWrong(challenge, { totp: nextCodeOf(totp.secret), ip });
      await assertWrong(challenge, { totp: nextCodeOf(totp.secret) });
      // Answers from elsewhere must not end the challenge of the user.
      for (let n = 0; n < 5; n++) await assertWrong(challenge, { totp: "000000", ip: "192.0.2.8" });
      dataOf(await answer(challenge, { totp: nextCodeOf(totp.secret), ip: "::ffff:192.0.2.7" }));
    });

    test("refuses an expired challenge, and one that never was", async () => {
      const { totp } = await withTotp("too-late");
      const { challenge } = await challengeOf(worker, "too-late");
      await expire(worker, challenge);
      const reply = await answer(challenge, { totp: nextCodeOf(totp.secret) });
      assertRefused(reply, 401, "INVALID_CREDENTIALS");
      for (const never of ["x", "A".repeat(43), `${challenge}=`, challenge.slice(1), "a".repeat(100)])
        assert.deepEqual(await answer(never, { totp: nextCodeOf(totp.secret) }), reply);
    });

    for (const [what, change] of Object.entries({
      "a new password": { password: "another good password" },
      "a new email": { email: "elsewhere@example.com" },
      deactivation: { activated: false },
    }))
      test(`refuses a challenge from before ${what} of the account`, async () => {
        const username = `changed-${what.replaceAll(" ", "-")}`;
        const { totp } = await withTotp(username);
        const { challenge } = await challengeOf(worker, username);
        dataOf(await worker.call("user_change", { username, access_token: admin, ...change }));
        await assertWrong(challenge, { totp: nextCodeOf(totp.secret) });
        assert.equal(await sessionsOf(username), "password" in change ? 0 : 1);
      });

    test("a damaged secret of a TOTP is UNAVAILABLE, and other factors work", async () => {
      const { totp } = await withTotp("damaged");
      const secret = Buffer.alloc(60);
      await worker.db
        .updateTable("factor")
        .set({ secret })
        .where("factor_id", "=", BigInt(totp.id))
        .execute();
      const { challenge } = await challengeOf(worker, "damaged");
      // As a client repeats them: none of them may count as a wrong answer.
      for (let n = 0; n < 6; n++)
        assertRefused(await answer(challenge, { totp: nextCodeOf(totp.secret) }), 503, "UNAVAILABLE");
      dataOf(await answer(challenge, { recovery_code: totp.recovery_codes?.[0] }));
    });

    test("refuses a challenge of a deleted account, also for a new account of its name", async () => {
      const { totp } = await withTotp("deleted");
      const { challenge } = await challengeOf(worker, "deleted");
      const again = await challengeOf(worker, "deleted");
      dataOf(await worker.call("user_delete", { username: "deleted", access_token: admin }));
      await assertWrong(challenge, { totp: nextCodeOf(totp.secret) });
      await newUser(worker, "deleted");
      await assertWrong(again.challenge, { totp: nextCodeOf(totp.secret) });
      await assertWrong(again.challenge, { recovery_code: totp.recovery_codes?.[0] });
    });

    test("refuses the answer of a factor that was removed after the password was checked", async () => {
      const user = await newUser(worker, "removed-one");
      const totp = await enrolTotp(worker, user);
      const { device, id } = await enrolPasskey(worker, user);
      const { challenge, ...rest } = await challengeOf(worker, "removed-one");
      dataOf(await worker.call("factor_remove", { ...user, id }));
      await assertWrong(challenge, { passkey: device.get(optionsOf(rest), { origin: ORIGIN }) });
      dataOf(await worker.call("factor_remove", { ...user, id: totp.id }));
      await assertWrong(challenge, { totp: nextCodeOf(totp.secret) });
      await assertWrong(challenge, { recovery_code: totp.recovery_codes?.[0] });
      await worker.login("removed-one", PASSWORD);
    });
  });
}
