import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertInvalid, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

const PASSWORD = "nine lanterns at dusk";
const config = {
  app_config: { allow_registration: true, auto_activate_accounts: false, verification_activates: true },
};

for (const database of DATABASES) {
  describe(`user_verification_resend on ${database}`, () => {
    test("sends a new token to an unverified account, and earlier tokens stay valid", async () => {
      await using worker = await startWorker({ database, config });
      await register(worker, "waiting");
      const reply = await worker.call("user_verification_resend", { username: "WAITING" });
      assert.deepEqual(
        dataOf(reply),
        dataOf(await worker.call("user_verification_resend", { email: "x@y.example" })),
      );
      assert.equal(await sentTo(worker, "waiting"), 2);
      assert.equal(await goodTokens(worker, "waiting"), 2);
    });

    test("sends at most five emails per hour, and none to verified or deactivated accounts", async () => {
      await using worker = await startWorker({ database, config });
      await register(worker, "waiting");
      for (let i = 0; i < 7; i++) {
        // The reply is always the same.
        dataOf(await worker.call("user_verification_resend", { email: "WAITING@example.com" }));
      }
      assert.equal(await sentTo(worker, "waiting"), 5);

      const access_token = await worker.accessToken("root", ["admin"]);
      await register(worker, "expelled");
      dataOf(await worker.call("user_change", { username: "expelled", activated: false, access_token }));
      await worker.addUser("proven", PASSWORD);
      await worker.db
        .updateTable("user")
        .set({ email_verified_at: "2026-01-01 00:00:00.000" })
        .where("username", "=", "proven")
        .execute();
      for (const username of ["expelled", "proven"]) {
        const before = await sentTo(worker, username);
        dataOf(await worker.call("user_verification_resend", { username }));
        assert.equal(await sentTo(worker, username), before, username);
      }
      assert.equal(await goodTokens(worker, "expelled"), 0);
    });

    test("requires either a username or an email", async () => {
      await using worker = await startWorker({ database, config });
      for (const request of [{}, { username: "alice", email: "a@example.com" }, { username: null }])
        assertInvalid(await worker.call("user_verification_resend", request), "username");
      dataOf(await worker.call("user_verification_resend", { username: "alice", email: null }));
    });

    test("setting the same address or its case keeps verification and tokens, another address does not", async () => {
      await using worker = await startWorker({ database, config });
      await worker.addUser("alice", PASSWORD);
      const access_token = await worker.accessToken("root", ["admin"]);
      const change = async (email: string) =>
        dataOf(await worker.call("user_change", { username: "alice", email, access_token }));
      const events = async () =>
        (
          await worker.db
            .selectFrom("event")
            .select("data")
            .where("type", "=", "user.changed")
            .orderBy("seq")
            .execute()
        ).map(({ data }) => JSON.parse(data) as Record<string, unknown>);
      const isVerified = async () =>
        dataOf(await worker.call("user_get", { username: "alice", access_token }))["email_verified"];
      dataOf(await worker.call("user_verification_resend", { username: "alice" }));
      await change("alice@example.com");
      assert.deepEqual([await events(), await goodTokens(worker, "alice")], [[], 1]);
      await change("Alice@example.com");
      assert.deepEqual(await events(), [{ changed: ["email"], email: "Alice@example.com" }]);
      assert.equal(await goodTokens(worker, "alice"), 1);
      await worker.db
        .updateTable("user")
        .set({ email_verified_at: "2026-01-01 00:00:00.000" })
        .where("username", "=", "alice")
        .execute();
      await change("Alice@example.com");
      assert.equal(await isVerified(), true);
      await change("new@example.com");
      assert.deepEqual((await events()).at(-1), {
        changed: ["email"],
        email: "new@example.com",
        previous_email: "Alice@example.com",
      });
      assert.equal(await isVerified(), false);
    });
  });
}

async function register(worker: TestWorker, username: string): Promise<void> {
  const account = { username, password: PASSWORD, password_confirm: PASSWORD };
  dataOf(await worker.call("user_register", { ...account, email: `${username}@example.com` }));
}

async function sentTo(worker: TestWorker, username: string): Promise<number> {
  const rows = await worker.db
    .selectFrom("event")
    .select("seq")
    .where("type", "=", "user.verification_requested")
    .where("username", "=", username)
    .execute();
  return rows.length;
}

async function goodTokens(worker: TestWorker, username: string): Promise<number> {
  const rows = await worker.db
    .selectFrom("one_time_token")
    .select("purpose")
    .where("username", "=", username)
    .execute();
  return rows.length;
}
