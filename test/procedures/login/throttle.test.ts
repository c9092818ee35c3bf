import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { listenForEvents } from "../../support/event-listener.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
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
  wrongCodeOf,
} from "../../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

const FREE = 4;

for (const database of DATABASES) {
  describe(`rate limiting of second factors on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      // A long delay, so that it does not end on a slow machine.
      const config = secondFactors({ login_throttle: { free_failures: FREE } });
      worker = await startWorker({ database, config });
      await worker.startReplica();
    });
    after(() => worker[Symbol.asyncDispose]());

    const answer = (challenge: string, given: object) =>
      worker.call("login_continue", { challenge, ...given });
    const tryPassword = (username: string, password: string) => worker.call("login", { username, password });
    const failuresOf = async (): Promise<number> => {
      const rows = await worker.db.selectFrom("login_throttle").select("sources").execute();
      const clients = rows.flatMap(({ sources }) => JSON.parse(sources) as { failures: number }[]);
      return clients.reduce((sum, { failures }) => sum + failures, 0);
    };
    /** Makes the delay that has begun longer, so that it does not end meanwhile. */
    const prolong = async (): Promise<void> => {
      for (const { account_key, sources } of await worker.db
        .selectFrom("login_throttle")
        .selectAll()
        .execute()) {
        const longer = sources.replaceAll(`"failures":${FREE},`, `"failures":${3 * FREE},`);
        const row = worker.db.updateTable("login_throttle").set({ sources: longer });
        await row.where("account_key", "=", account_key).execute();
      }
    };

    test("wrong codes count like wrong passwords: then the code, the password and each factor are 429", async () => {
      const user = await newUser(worker, "guessed");
      const totp = await enrolTotp(worker, user);
      const { device } = await enrolPasskey(worker, user);
      const first = await challengeOf(worker, "guessed");
      const second = await challengeOf(worker, "guessed");
      for (let n = 0; n < FREE - 1; n++)
        assertRefused(
          await answer(first.challenge, { totp: wrongCodeOf(totp.secret, n) }),
          401,
          "INVALID_CREDENTIALS",
        );
      assertRefused(await tryPassword("guessed", "wrong"), 401, "INVALID_CREDENTIALS");
      await prolong();
      for (const given of [
        { totp: nextCodeOf(totp.secret) },
        { recovery_code: totp.recovery_codes?.[0] },
        { passkey: device.get(optionsOf(second), { origin: ORIGIN }) },
      ]) {
        const { resp_code, resp_data } = await answer(second.challenge, given);
        assert.deepEqual([resp_code, resp_data["error"]], [429, "TOO_MANY_ATTEMPTS"]);
        assert.ok(Number(resp_data["retry_after"]) >= 1);
      }
      assert.equal((await tryPassword("guessed", PASSWORD)).resp_code, 429);
      const access_token = await worker.accessToken("root", ["admin"]);
      dataOf(await worker.call("user_unlock", { username: "guessed", access_token }));
      dataOf(await answer(second.challenge, { totp: nextCodeOf(totp.secret) }));
    });

    for (const [what, wrong] of Object.entries({
      "recovery codes": async () => ({ recovery_code: "0000-0000-0000-0000" }),
      "TOTP codes that were used": async (secret: string) => ({ totp: nextCodeOf(secret) }),
    }))
      test(`${what} count, too`, async () => {
        const username = what.replaceAll(" ", "-").toLowerCase();
        const { secret } = await enrolTotp(worker, await newUser(worker, username));
        dataOf(await answer((await challengeOf(worker, username)).challenge, { totp: nextCodeOf(secret) }));
        const before = await failuresOf();
        const { challenge } = await challengeOf(worker, username);
        for (let n = 0; n < FREE; n++)
          assertRefused(await answer(challenge, await wrong(secret)), 401, "INVALID_CREDENTIALS");
        assert.equal((await failuresOf()) - before, FREE);
        await prolong();
        assert.equal((await tryPassword(username, PASSWORD)).resp_code, 429);
      });

    test("the right password without the code does not reset the count, and the code does", async () => {
      const { secret } = await enrolTotp(worker, await newUser(worker, "persistent"));
      const before = await failuresOf();
      for (let n = 0; n < FREE - 1; n++) {
        const { challenge } = await challengeOf(worker, "persistent");
        assertRefused(await answer(challenge, { totp: wrongCodeOf(secret, n) }), 401, "INVALID_CREDENTIALS");
      }
      await challengeOf(worker, "persistent");
      assert.equal((await failuresOf()) - before, FREE - 1);
      const { challenge } = await challengeOf(worker, "persistent");
      dataOf(await answer(challenge, { totp: nextCodeOf(secret) }));
      assert.equal((await failuresOf()) - before, 0);
    });

    test("a password reset does not clear the count of an account with a factor", async () => {
      await using listener = await listenForEvents(worker.url);
      const reset = async (username: string): Promise<void> => {
        dataOf(await worker.call("user_password_forgot", { username }));
        const { body } = await listener.first("password.reset_requested", username);
        const { reset_token } = body.data;
        const request = { reset_token, password: PASSWORD, password_confirm: PASSWORD };
        dataOf(await worker.call("user_password_reset", request));
      };
      await newUser(worker, "with-none");
      const { secret } = await enrolTotp(worker, await newUser(worker, "read-mailbox"));
      const before = await failuresOf();
      for (let n = 0; n < FREE - 1; n++) {
        await tryPassword("with-none", "wrong");
        const { challenge } = await challengeOf(worker, "read-mailbox");
        assertRefused(await answer(challenge, { totp: wrongCodeOf(secret, n) }), 401, "INVALID_CREDENTIALS");
      }
      assert.equal((await failuresOf()) - before, 2 * (FREE - 1));
      await reset("read-mailbox");
      assert.equal((await failuresOf()) - before, 2 * (FREE - 1));
      await reset("with-none");
      assert.equal((await failuresOf()) - before, FREE - 1);
    });

    test("parallel guesses with many challenges: no more are checked than are free", async () => {
      const { secret } = await enrolTotp(worker, await newUser(worker, "crowded"));
      const challenges: string[] = [];
      for (let n = 0; n < 3; n++) challenges.push((await challengeOf(worker, "crowded")).challenge);
      const replies = await Promise.all(
        Array.from({ length: 15 }, (_, n) => answer(challenges[n % 3]!, { totp: wrongCodeOf(secret, n) })),
      );
      const codes = replies.map(({ resp_code }) => resp_code);
      // 503: on a slow machine, an attempt waits for the others until its deadline.
      assert.deepEqual(
        codes.filter((code) => ![401, 429, 503].includes(code)),
        [],
      );
      // On a slow machine the first delays of a second may end meanwhile.
      const refused = codes.filter((code) => code === 401).length;
      assert.ok(refused >= FREE && refused <= FREE + 3, `${refused} guesses were checked`);
    });

    test("guesses without a valid challenge count for nobody", async () => {
      await enrolTotp(worker, await newUser(worker, "innocent"));
      const before = await failuresOf();
      for (let n = 0; n < FREE; n++)
        assertRefused(await answer(`no challenge ${n}`, { totp: "123456" }), 401, "INVALID_CREDENTIALS");
      assert.equal(await failuresOf(), before);
      await challengeOf(worker, "innocent");
    });
  });
}
