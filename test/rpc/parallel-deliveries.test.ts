import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { listenForEvents } from "../support/event-listener.ts";
import { connectKeyed } from "../support/keyed-caller.ts";
import { dataOf } from "../support/replies.ts";
import {
  challengeOf,
  codeOf,
  enrolTotp,
  newUser,
  nextCodeOf,
  PASSWORD,
  secondFactors,
  setupTokenOf,
} from "../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

/** Below the number of answers to a challenge. */
const DELIVERIES = 4;

for (const database of DATABASES) {
  describe(`parallel deliveries of a request that uses something up, on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database, config: secondFactors({ second_factor_groups: ["staff"] }) });
      await worker.startReplica();
    });
    after(() => worker[Symbol.asyncDispose]());

    /** Sends the same request several times at once; all replies must be the same success, which is returned. */
    const sendAtOnce = async (key: string, queue: string, request: object) => {
      await using caller = await connectKeyed(worker);
      const replies = await Promise.all(
        Array.from({ length: DELIVERIES }, () => caller.call(key, queue, request)),
      );
      const [first] = replies;
      for (const reply of replies) assert.deepEqual(reply, first);
      return dataOf(first!);
    };
    const failedLogins = async (): Promise<number> =>
      (await worker.db.selectFrom("event").select("seq").where("type", "=", "login.failed").execute()).length;

    test("login_continue starts one session, and counts no failure", async () => {
      const { secret, recovery_codes = [] } = await enrolTotp(worker, await newUser(worker, "Alice"));
      const answers = [
        { totp: nextCodeOf(secret) },
        ...recovery_codes.map((code) => ({ recovery_code: code })),
      ];
      for (const [index, given] of answers.entries()) {
        const { challenge } = await challengeOf(worker, "Alice");
        await sendAtOnce(`continue-${index}`, "login_continue", { challenge, ...given });
      }
      assert.equal(await failedLogins(), 0);
    });

    test("totp_confirm with a setup token enrols one factor, and starts one session", async () => {
      for (const username of ["newcomer-1", "newcomer-2", "newcomer-3"]) {
        await worker.addUser(username, PASSWORD, { groups: ["staff"] });
        const setup_token = await setupTokenOf(worker, username);
        const { secret } = dataOf(await worker.call("totp_begin", { setup_token }));
        const request = { setup_token, totp: codeOf(String(secret)) };
        const { recovery_codes, id_token } = await sendAtOnce(`of ${username}`, "totp_confirm", request);
        assert.deepEqual([typeof id_token, (recovery_codes as string[]).length], ["string", 10]);
      }
    });

    test("user_password_reset sets one password", async () => {
      await using listener = await listenForEvents(worker.url);
      await worker.addUser("forgetful", PASSWORD);
      dataOf(await worker.call("user_password_forgot", { username: "forgetful" }));
      const { body } = await listener.first("password.reset_requested", "forgetful");
      const { reset_token } = body.data;
      const password = "seven lanterns at dawn";
      const request = { reset_token, password, password_confirm: password };
      await sendAtOnce("reset", "user_password_reset", request);
      await worker.login("forgetful", password);
    });

    test("user_verify_email verifies the address", async () => {
      await using listener = await listenForEvents(worker.url);
      // Several times, because it is quick: the deliveries must overlap once.
      for (const username of Array.from({ length: 10 }, (_, index) => `unverified-${index}`)) {
        await worker.addUser(username, PASSWORD);
        dataOf(await worker.call("user_verification_resend", { username }));
        const { body } = await listener.first("user.verification_requested", username);
        const { verify_token } = body.data;
        await sendAtOnce(`of ${username}`, "user_verify_email", { verify_token });
      }
    });
  });
}
