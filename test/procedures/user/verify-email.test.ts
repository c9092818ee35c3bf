import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { toSqlTime } from "../../../src/db/time.ts";
import { lockUser } from "../../../src/db/queries/users.ts";
import { type EventListener, listenForEvents } from "../../support/event-listener.ts";
import { untilBlocked } from "../../support/lock-waits.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { waitUntil } from "../../support/servers/scratch.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

const PASSWORD = "correct horse";

for (const database of DATABASES) {
  describe(`user_verify_email, on ${database}`, () => {
    let worker: TestWorker;
    let listener: EventListener;
    let access_token: string;
    before(async () => {
      const app_config = {
        allow_registration: true,
        auto_activate_accounts: false,
        verification_activates: true,
      };
      worker = await startWorker({ database, config: { app_config } });
      listener = await listenForEvents(worker.url);
      access_token = await worker.accessToken("chief", ["admin"]);
    });
    after(async () => {
      await listener[Symbol.asyncDispose]();
      await worker[Symbol.asyncDispose]();
    });

    const register = async (username: string): Promise<void> => {
      const account = { username, password: PASSWORD, password_confirm: PASSWORD };
      dataOf(await worker.call("user_register", { ...account, email: `${username}@example.com` }));
    };
    /** The published token for an address. */
    const tokenFor = async (username: string, email = `${username}@example.com`): Promise<string> => {
      const { body } = await waitUntil("the token", () =>
        listener.events.find(
          ({ body: { type, subject, data } }) =>
            type === "user.verification_requested" && subject === username && data["email"] === email,
        ),
      );
      return body.data["verify_token"] as string;
    };
    const verify = (verify_token: unknown) => worker.call("user_verify_email", { verify_token });
    const isVerified = async (username: string): Promise<boolean> => {
      const query = worker.db.selectFrom("user").select("email_verified_at");
      const { email_verified_at } = await query
        .where("username_key", "=", username.toLowerCase())
        .executeTakeFirstOrThrow();
      return email_verified_at !== null;
    };
    const logIn = async (username: string): Promise<number> =>
      (await worker.call("login", { username, password: PASSWORD })).resp_code;

    test("verifies a registered address once, and activates the account with verification_activates", async () => {
      await register("Newcomer");
      assert.deepEqual([await logIn("Newcomer"), await isVerified("Newcomer")], [403, false]);
      const token = await tokenFor("Newcomer");
      assert.deepEqual(dataOf(await verify(token)), {
        success: true,
        msg: "verified the address of Newcomer",
      });
      assert.deepEqual([await logIn("Newcomer"), await isVerified("Newcomer")], [200, true]);
      assertRefused(await verify(token), 401, "INVALID_TOKEN");
      const { body } = await listener.first("user.verified", "Newcomer");
      assert.deepEqual(body.data, { username: "Newcomer", email: "Newcomer@example.com", activated: true });
    });

    test("does not activate a user whom an administrator has deactivated", async () => {
      await register("TurnedOff");
      const token = await tokenFor("TurnedOff");
      dataOf(await worker.call("user_change", { username: "TurnedOff", activated: true, access_token }));
      dataOf(await worker.call("user_change", { username: "TurnedOff", activated: false, access_token }));
      assertRefused(await verify(token), 401, "INVALID_TOKEN");
      const email = "turned-off@example.com";
      dataOf(await worker.call("user_change", { username: "TurnedOff", email, access_token }));
      assert.equal(await logIn("TurnedOff"), 403);
      const sent = listener.events.filter(
        ({ body: { data } }) => data["email"] === email && "verify_token" in data,
      );
      assert.deepEqual(
        sent.map(({ body }) => body.type),
        [],
      );
    });

    test("verifies a changed address, but not the previous one", async () => {
      await worker.addUser("Mover", PASSWORD);
      const first = "first@example.com";
      dataOf(await worker.call("user_change", { username: "Mover", email: first, access_token }));
      const old = await tokenFor("Mover", first);
      dataOf(
        await worker.call("user_change", { username: "Mover", email: "second@example.com", access_token }),
      );
      assertRefused(await verify(old), 401, "INVALID_TOKEN");
      assert.equal(await isVerified("Mover"), false);
      dataOf(await verify(await tokenFor("Mover", "second@example.com")));
      assert.equal(await isVerified("Mover"), true);
      // The same address stays verified; another one is not.
      dataOf(
        await worker.call("user_change", { username: "Mover", email: "SECOND@example.com", access_token }),
      );
      assert.equal(await isVerified("Mover"), true);
      dataOf(
        await worker.call("user_change", { username: "Mover", email: "third@example.com", access_token }),
      );
      assert.equal(await isVerified("Mover"), false);
    });

    test("sends at most five emails per hour to the addresses of a user", async () => {
      await worker.addUser("Busybody", PASSWORD);
      const own = await worker.accessToken("Busybody");
      const requests = Array.from({ length: 8 }, (_, index) =>
        worker.call("user_change", {
          username: "busybody",
          email: `victim-${index}@example.com`,
          access_token: own,
        }),
      );
      for (const reply of await Promise.all(requests)) dataOf(reply);
      const sent = worker.db.selectFrom("event").select("id").where("username", "=", "Busybody");
      assert.equal((await sent.where("type", "=", "user.verification_requested").execute()).length, 5);
      const created_at = toSqlTime(new Date(Date.now() - 3_600_000));
      await worker.db.updateTable("event").set({ created_at }).where("username", "=", "Busybody").execute();
      const email = "own@example.com";
      dataOf(await worker.call("user_change", { username: "Busybody", email, access_token: own }));
      dataOf(await verify(await tokenFor("Busybody", email)));
    });

    test("rejects other tokens", async () => {
      for (const bad of [undefined, null, "", "x", access_token])
        assertRefused(await verify(bad), 401, "INVALID_TOKEN");
      for (const bad of [1, true, {}, []]) assertInvalid(await verify(bad), "verify_token");
    });
  });
}

test("an account that is deactivated while its address changes gets no token that would activate it", async () => {
  await using worker = await startWorker({
    database: "mysql",
    config: { app_config: { verification_activates: true } },
  });
  await worker.addUser("Hasty", PASSWORD);
  const access_token = await worker.accessToken("Hasty");
  const asked = await worker.db.transaction().execute(async (trx) => {
    await lockUser(trx, "Hasty");
    const email = "elsewhere@example.com";
    const reply = worker.call("user_change", { username: "Hasty", email, access_token });
    await untilBlocked(worker.db); // the request has read the activated account, and waits for the row lock
    await trx.updateTable("user").set({ activated: 0 }).where("username", "=", "Hasty").execute();
    return { reply };
  });
  dataOf(await asked.reply);
  assert.deepEqual(await worker.db.selectFrom("one_time_token").selectAll().execute(), []);
});
