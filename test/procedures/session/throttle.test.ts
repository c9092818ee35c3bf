import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connectKeyed } from "../../support/keyed-caller.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

type Reply = Awaited<ReturnType<TestWorker["call"]>>;

const RIGHT = "correct horse battery";
const FREE = 10;

for (const database of DATABASES) {
  describe(`the rate limit for failed logins, on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database });
      await worker.startReplica();
    });
    after(() => worker[Symbol.asyncDispose]());

    const tryPassword = (username: string, password: string, more = {}): Promise<Reply> =>
      worker.call("login", { username, password, ...more });
    const fail = async (username: string, times: number, more = {}): Promise<void> => {
      for (let n = 0; n < times; n++)
        assertRefused(await tryPassword(username, `wrong ${n}`, more), 401, "INVALID_CREDENTIALS");
    };
    /** Extends the delays that have begun, so that they do not end on a slow machine. */
    const prolong = async (): Promise<void> => {
      for (const { account_key, sources } of await worker.db
        .selectFrom("login_throttle")
        .selectAll()
        .execute()) {
        const longer = sources.replaceAll(`"failures":${FREE},`, `"failures":${2 * FREE},`);
        const row = worker.db.updateTable("login_throttle").set({ sources: longer });
        await row.where("account_key", "=", account_key).execute();
      }
    };
    const lock = async (username: string, more = {}): Promise<void> => {
      await fail(username, FREE, more);
      await prolong();
    };
    /** Tries a wrong password until the rate limit applies: on a slow machine a delay may already be over. */
    const exhaust = async (username: string, more = {}): Promise<number> => {
      let reply = await tryPassword(username, "wrong", more);
      for (let extra = 0; reply.resp_code === 401 && extra < 5; extra++)
        reply = await tryPassword(username, "wrong", more);
      return assertThrottled(reply);
    };
    const assertThrottled = (reply: Reply): number => {
      const { retry_after: seconds, ...rest } = reply.resp_data;
      assert.deepEqual(
        [reply.resp_code, rest],
        [
          429,
          { msg: "too many failed logins; try again in retry_after seconds", error: "TOO_MANY_ATTEMPTS" },
        ],
      );
      assert.ok(Number.isInteger(seconds) && Number(seconds) >= 1, String(seconds));
      return Number(seconds);
    };

    test("after ten failures the next attempt is 429, and after the delay the right password works", async () => {
      await worker.addUser("waits", RIGHT);
      await fail("waits", FREE);
      await sleep((await exhaust("waits")) * 1000); // at least one second
      dataOf(await tryPassword("waits", RIGHT));
      await fail("waits", FREE);
    });

    test("the right password is 429 too, with the username in any case", async () => {
      await worker.addUser("somebody", RIGHT);
      await lock("somebody");
      const seconds = ["somebody", "SOMEBODY"].map(async (name) =>
        assertThrottled(await tryPassword(name, RIGHT)),
      );
      for (const one of await Promise.all(seconds)) assert.ok(one > 900 && one <= 1024, String(one));
    });

    test("applies to unknown usernames too", async () => {
      await lock("nobody-has-it");
      const seconds = assertThrottled(await tryPassword("nobody-has-it", "wrong"));
      assert.ok(seconds > 900 && seconds <= 1024, String(seconds));
    });

    test("counts by address; an IPv6 /64 network and all spellings of an address count as one client", async () => {
      await worker.addUser("moves", RIGHT);
      await lock("moves", { ip: "192.0.2.7" });
      assertThrottled(await tryPassword("moves", RIGHT, { ip: "::ffff:192.0.2.7" }));
      dataOf(await tryPassword("moves", RIGHT, { ip: "192.0.2.8" }));
      dataOf(await tryPassword("moves", RIGHT));
      for (let n = 0; n < FREE; n++) await fail("moves", 1, { ip: `2001:db8::${n}` });
      await prolong();
      assertThrottled(await tryPassword("moves", RIGHT, { ip: "2001:db8:0:0:1::" }));
      dataOf(await tryPassword("moves", RIGHT, { ip: "2001:db8:0:1::" }));
    });

    test("starts after ninety failures from all clients, but known clients can still log in", async () => {
      await worker.addUser("famous", RIGHT);
      dataOf(await tryPassword("famous", RIGHT, { ip: "198.51.100.1" }));
      for (let n = 1; n <= 90; n++) await fail("famous", 1, { ip: `203.0.113.${n}` });
      await exhaust("famous", { ip: "203.0.113.200" });
      dataOf(await tryPassword("famous", RIGHT, { ip: "198.51.100.1" }));
    });

    test("checks only the free number of concurrent guesses", async () => {
      await worker.addUser("crowded", RIGHT);
      const replies = await Promise.all(
        Array.from({ length: 60 }, (_, n) => tryPassword("crowded", `wrong ${n}`)),
      );
      const refused = replies.filter(({ resp_code }) => resp_code === 401);
      // On a slow machine the first delays (1, 2 and 4 s) may end while attempts wait for others.
      assert.ok(refused.length >= FREE && refused.length <= FREE + 3, String(refused.length));
      for (const reply of replies) if (reply.resp_code !== 401) assertThrottled(reply);
    });

    test("does not affect many concurrent logins with the right password", async () => {
      await worker.addUser("popular", RIGHT);
      const replies = await Promise.all(Array.from({ length: 40 }, () => tryPassword("popular", RIGHT)));
      for (const reply of replies) dataOf(reply);
    });

    test("counts the right password of a deactivated account as a success", async () => {
      await worker.addUser("sleeper", RIGHT, { activated: false });
      await fail("sleeper", FREE - 1);
      assertRefused(await tryPassword("sleeper", RIGHT), 403, "ACCOUNT_NOT_ACTIVATED");
      await lock("sleeper");
      assertThrottled(await tryPassword("sleeper", RIGHT));
    });

    test("applies to retries with the idempotency key of another login", async () => {
      await worker.addUser("keyed", RIGHT);
      await using caller = await connectKeyed(worker);
      const login = (password: string): Promise<Reply> =>
        caller.call("known-key", "login", { username: "keyed", password });
      dataOf(await login(RIGHT));
      for (let n = 0; n < FREE; n++) assertRefused(await login(`wrong ${n}`), 409, "IDEMPOTENCY_CONFLICT");
      await prolong();
      assertThrottled(await login("wrong"));
      assertThrottled(await login(RIGHT));
    });

    test("counts a sender that the broker has verified as a separate client", async () => {
      await worker.addUser("fronted", RIGHT);
      await using caller = await connectKeyed(worker);
      const userId = new URL(worker.url).username;
      await lock("fronted");
      const request = { username: "fronted", password: RIGHT };
      assertThrottled(await caller.call(undefined, "login", request));
      dataOf(await caller.call(undefined, "login", request, { userId }));
    });

    test("ends if an admin unlocks the user", async () => {
      await worker.addUser("locked", RIGHT);
      await lock("locked");
      assertThrottled(await tryPassword("locked", RIGHT));
      const access_token = await worker.accessToken("root", ["admin"]);
      const unlocked = await worker.call("user_unlock", { username: "LOCKED", access_token });
      assert.deepEqual(unlocked, { resp_code: 200, resp_data: { msg: "unlocked user locked" } });
      dataOf(await tryPassword("locked", RIGHT));
    });

    test("does not apply to a new account of the same name", async () => {
      await worker.addUser("reborn", RIGHT);
      await lock("reborn");
      const access_token = await worker.accessToken("root", ["admin"]);
      dataOf(await worker.call("user_delete", { username: "reborn", access_token }));
      await worker.addUser("reborn", RIGHT);
      dataOf(await tryPassword("reborn", RIGHT));
    });

    test("stores neither usernames nor addresses", async () => {
      await fail("somebody", 1, { ip: "192.0.2.99" });
      const rows = await worker.db.selectFrom("login_throttle").selectAll().execute();
      assert.notEqual(rows.length, 0);
      assert.doesNotMatch(JSON.stringify(rows), /somebody|192\.0\.2/);
    });
  });
}

test("a login does not count if its directory is unavailable", async () => {
  const config = { ldap_settings: { address: "ldap://127.0.0.1:1", timeout_ms: 200 } };
  await using worker = await startWorker({ config });
  for (let n = 0; n <= FREE; n++)
    assertRefused(
      await worker.call("login", { username: "from-there", password: "any" }),
      503,
      "UNAVAILABLE",
    );
});

test("the log warns when the rate limit starts, without unknown usernames", async () => {
  await using worker = await startWorker({});
  await worker.addUser("attacked", RIGHT);
  for (const username of ["attacked", "typed-password"])
    for (let n = 0; n < FREE + 1; n++) await worker.call("login", { username, password: `wrong ${n}` });
  const lines = worker.log
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ msg }) => typeof msg === "string" && msg.startsWith("too many failed logins"));
  assert.deepEqual(
    lines.map(({ level, username, known }) => ({ level, username, known })),
    [
      { level: 40, username: "attacked", known: undefined },
      { level: 40, username: undefined, known: false },
    ],
  );
  assert.ok(!worker.log.join("").includes("typed-password"), "what was typed is in the log");
});
