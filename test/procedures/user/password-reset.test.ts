import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createHash } from "node:crypto";
import type { Trx } from "../../../src/db/database.ts";
import { lockUser } from "../../../src/db/queries/users.ts";
import { toSqlTime } from "../../../src/db/time.ts";
import { type EventListener, listenForEvents } from "../../support/event-listener.ts";
import { untilBlocked } from "../../support/lock-waits.ts";
import { bodyOf, connectRaw } from "../../support/raw-caller.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

const OLD = "correct horse";
const NEW = "staple battery";

for (const database of DATABASES) {
  describe(`a forgotten password, on ${database}`, () => {
    let worker: TestWorker;
    let listener: EventListener;
    before(async () => {
      worker = await startWorker({ database });
      listener = await listenForEvents(worker.url);
    });
    after(async () => {
      await listener[Symbol.asyncDispose]();
      await worker[Symbol.asyncDispose]();
    });

    /** Requests a reset token and returns the published one. */
    const forget = async (username: string): Promise<string> => {
      const seen = listener.events.length;
      dataOf(await worker.call("user_password_forgot", { username }));
      for (;;) {
        const found = listener.events
          .slice(seen)
          .find(({ body }) => body.type === "password.reset_requested" && body.subject === username);
        if (found !== undefined) return found.body.data["reset_token"] as string;
        await listener.typesOf(username, 1);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const reset = (reset_token: unknown, password = NEW, password_confirm = password) =>
      worker.call("user_password_reset", { reset_token, password, password_confirm });
    const logIn = async (username: string, password: string): Promise<number> =>
      (await worker.call("login", { username, password })).resp_code;

    test("is reset once with the published token, which revokes the session", async () => {
      await worker.addUser("Forgetful", OLD);
      const id_token = await worker.login("Forgetful", OLD);
      const token = await forget("Forgetful");
      assert.match(token, /^[\w-]{43}$/);
      assert.deepEqual(dataOf(await reset(token)), {
        success: true,
        msg: "changed the password of Forgetful",
      });
      assert.deepEqual([await logIn("Forgetful", OLD), await logIn("Forgetful", NEW)], [401, 200]);
      assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
      assertRefused(await reset(token, "another battery"), 401, "INVALID_TOKEN");
      assert.equal(await logIn("Forgetful", NEW), 200);
      const { body } = await listener.first("user.changed", "Forgetful");
      assert.deepEqual(body.data, { username: "Forgetful", changed: ["password"], reset: true });
      await listener.first("session.revoked", "Forgetful");
    });

    test("can be reset by email address; the email goes to the stored address", async () => {
      await worker.addUser("Addressee", OLD, { email: "Some.One@example.com" });
      dataOf(await worker.call("user_password_forgot", { email: "some.one@EXAMPLE.com" }));
      const { body } = await listener.first("password.reset_requested", "Addressee");
      assert.equal(body.data["email"], "Some.One@example.com");
      assert.equal(Math.round((Date.parse(body.data["expires_at"] as string) - Date.now()) / 60_000), 30);
    });

    test("has the same reply for unknown, deactivated and directory users", async () => {
      await worker.addUser("TurnedOff", OLD, { activated: false });
      await worker.addUser("Elsewhere", "", { authType: "LDAP" });
      await worker.addUser("Known", OLD);
      const asked = [
        { username: "Known" },
        { username: "nobody-there" },
        { username: "TurnedOff" },
        { username: "Elsewhere" },
        { email: "nobody@example.com" },
        { email: "known@example.com" },
      ];
      const replies = await Promise.all(asked.map((request) => worker.call("user_password_forgot", request)));
      const [first] = replies;
      assert.equal(first?.resp_code, 200);
      for (const reply of replies) assert.deepEqual(reply, first);
      await listener.first("password.reset_requested", "Known");
      for (const name of ["TurnedOff", "Elsewhere", "nobody-there"])
        assert.ok(!listener.events.some(({ body }) => body.subject === name), name);
      // The same rows are written, so that the response time reveals nothing.
      const rows = await worker.db.selectFrom("one_time_token").select(["username"]).execute();
      const nameless = rows.filter(({ username }) => username === null).length;
      assert.ok(nameless >= 4, `${nameless} rows`);
    });

    test("sends at most five emails until the first token has expired, with the same reply", async () => {
      await worker.addUser("Pestered", OLD);
      const replies = await Promise.all(
        Array.from({ length: 12 }, (_, index) =>
          worker.call(
            "user_password_forgot",
            index % 2 === 0 ? { username: "PESTERED" } : { email: "pestered@example.com" },
          ),
        ),
      );
      assert.deepEqual(new Set(replies.map(({ resp_code }) => resp_code)), new Set([200]));
      const rows = await worker.db
        .selectFrom("one_time_token")
        .selectAll()
        .where("username", "=", "Pestered")
        .execute();
      assert.equal(rows.length, 5);
    });

    test("writes the same number of rows for a sixth request as for an unknown address", async () => {
      await worker.addUser("Overdone", OLD);
      const count = async (table: "one_time_token" | "event"): Promise<number> =>
        (await worker.db.selectFrom(table).selectAll().execute()).length;
      const madeBy = async (request: object): Promise<number[]> => {
        const before = [await count("one_time_token"), await count("event")];
        dataOf(await worker.call("user_password_forgot", request));
        return [(await count("one_time_token")) - before[0]!, (await count("event")) - before[1]!];
      };
      for (let asked = 0; asked < 5; asked++) await madeBy({ username: "overdone" });
      assert.deepEqual(await madeBy({ email: "overdone@example.com" }), [1, 1]);
      assert.deepEqual(await madeBy({ email: "not-overdone@example.com" }), [1, 1]);
      const good = worker.db.selectFrom("one_time_token").selectAll().where("username", "=", "Overdone");
      assert.equal((await good.execute()).length, 5);
    });

    test("stores only the digest of the token", async () => {
      await worker.addUser("Hidden", OLD);
      const token = await forget("Hidden");
      const hash = createHash("sha256").update(token).digest();
      const row = await worker.db
        .selectFrom("one_time_token")
        .selectAll()
        .where("token_hash", "=", hash)
        .executeTakeFirstOrThrow();
      assert.equal(row.username, "Hidden");
      const events = await worker.db.selectFrom("event").selectAll().execute();
      assert.ok(!JSON.stringify(events).includes(token), "the token is in an event");
    });

    test("is not reset with a missing, wrong, expired or unrelated token", async () => {
      await worker.addUser("Careful", OLD);
      const token = await forget("Careful");
      for (const bad of [undefined, null, "", "x", `${token}x`, token.slice(1), token.toUpperCase()])
        assertRefused(await reset(bad), 401, "INVALID_TOKEN");
      for (const bad of [1, true, {}, [token]]) assertInvalid(await reset(bad), "reset_token");
      assertRefused(await worker.call("user_verify_email", { verify_token: token }), 401, "INVALID_TOKEN");
      await worker.db
        .updateTable("one_time_token")
        .set({ expires_at: toSqlTime(new Date(Date.now() - 1)) })
        .where("username", "=", "Careful")
        .execute();
      assertRefused(await reset(token), 401, "INVALID_TOKEN");
      assert.equal(await logIn("Careful", OLD), 200);
    });

    test("must follow the rules for new passwords; after an error the token stays valid", async () => {
      await worker.addUser("Sloppy", OLD);
      const token = await forget("Sloppy");
      assertInvalid(await reset(token, "x"), "password");
      assertInvalid(await reset(token, NEW, "another"), "password_confirm");
      assertInvalid(await reset(token, "my-sloppy-word"), "password");
      assertInvalid(
        await worker.call("user_password_reset", { reset_token: token }),
        "password",
        "password_confirm",
      );
      dataOf(await reset(token));
    });

    test("is not reset after a deactivation, a new address or a new password", async () => {
      const access_token = await worker.accessToken("chief", ["admin"]);
      const changes = [
        { activated: false },
        { email: "other@example.com" },
        { password: "quite another one" },
      ];
      for (const [index, change] of changes.entries()) {
        const username = `Changed-${index}`;
        await worker.addUser(username, OLD);
        const token = await forget(username);
        dataOf(await worker.call("user_change", { username, access_token, ...change }));
        assertRefused(await reset(token), 401, "INVALID_TOKEN");
      }
    });

    test("is not reset for a new account of the same name", async () => {
      const access_token = await worker.accessToken("chief", ["admin"]);
      await worker.addUser("Reborn", OLD);
      const token = await forget("Reborn");
      dataOf(await worker.call("user_delete", { username: "Reborn", access_token }));
      await worker.addUser("Reborn", OLD);
      assertRefused(await reset(token), 401, "INVALID_TOKEN");
    });

    test("is reset once by concurrent requests", async () => {
      await worker.addUser("Crowded", OLD);
      const token = await forget("Crowded");
      const replies = await Promise.all(
        Array.from({ length: 8 }, (_, index) => reset(token, `${NEW} ${index}`)),
      );
      assert.equal(replies.filter(({ resp_code }) => resp_code === 200).length, 1);
      assert.equal(replies.filter(({ resp_code }) => resp_code === 401).length, 7);
    });

    test("has the same reply for a retry with the idempotency key", async () => {
      await worker.addUser("Repeater", OLD);
      const reset_token = await forget("Repeater");
      await using caller = await connectRaw(worker.url);
      const body = JSON.stringify({ reset_token, password: NEW, password_confirm: NEW });
      const codes = [];
      for (const correlationId of ["first", "second"]) {
        caller.publish("user_password_reset", body, { correlationId, messageId: "reset-key" });
        codes.push(bodyOf(await caller.firstReply(correlationId)).resp_code);
      }
      assert.deepEqual(codes, [200, 200]);
    });

    test("ends the rate limit of the user", async () => {
      await worker.addUser("Locked", OLD);
      for (let attempt = 0; attempt < 12; attempt++) await logIn("Locked", "wrong");
      assert.equal(await logIn("Locked", OLD), 429);
      dataOf(await reset(await forget("Locked")));
      assert.equal(await logIn("Locked", NEW), 200);
    });

    test("requires either a username or an email", async () => {
      assertInvalid(await worker.call("user_password_forgot", {}), "username");
      const both = { username: "Known", email: "known@example.com" };
      assertInvalid(await worker.call("user_password_forgot", both), "username");
      assertInvalid(await worker.call("user_password_forgot", { username: 1 }), "username");
      assertInvalid(await worker.call("user_password_forgot", { email: "none" }), "email");
    });
  });
}

test("a request during a change of the email address gets no token for the other address", async () => {
  await using worker = await startWorker({ database: "mysql" });
  const askDuring = async (username: string, change: (trx: Trx) => Promise<unknown>) => {
    await worker.addUser(username, OLD);
    const asked = await worker.db.transaction().execute(async (trx) => {
      await lockUser(trx, username);
      const reply = worker.call("user_password_forgot", { username });
      await untilBlocked(worker.db); // the request has read the user, and waits for the row lock
      await change(trx);
      return { reply };
    });
    dataOf(await asked.reply);
  };
  await askDuring("Moving", (trx) =>
    trx.updateTable("user").set({ email: "new@example.com" }).where("username", "=", "Moving").execute(),
  );
  await askDuring("Leaving", (trx) => trx.deleteFrom("user").where("username", "=", "Leaving").execute());
  const rows = await worker.db.selectFrom("one_time_token").select(["username", "email"]).execute();
  assert.deepEqual(
    rows.filter(({ username }) => username !== null),
    [{ username: "Moving", email: "new@example.com" }],
  );
});
