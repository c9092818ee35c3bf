import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { toSqlTime } from "../../../src/db/time.ts";
import { connectKeyed, type KeyedCaller } from "../../support/keyed-caller.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

const PASSWORD = "correct horse";

/** Asserts that the expiry in a reply equals that of its token; `expires_in` by this host's clock. */
function assertAgrees(reply: Record<string, unknown>, token: unknown): { left: number; end: number } {
  const { exp = 0, iat = 0 } = decodeJwt(String(token));
  assert.equal(reply["expires_at"], new Date(exp * 1000).toISOString());
  const left = Number(reply["expires_in"]);
  assert.ok(Number.isSafeInteger(left) && left >= 0 && left <= exp - iat, String(left));
  return { left, end: exp * 1000 };
}

for (const database of DATABASES) {
  describe(`the expiry in the replies of login and token on ${database}`, () => {
    let worker: TestWorker;
    let caller: KeyedCaller;
    before(async () => {
      worker = await startWorker({
        database,
        config: { app_config: { id_token_valid_time: 60, access_token_valid_time: 2 } },
      });
      caller = await connectKeyed(worker);
      await worker.addUser("alice", PASSWORD);
    });
    after(async () => {
      await caller[Symbol.asyncDispose]();
      await worker[Symbol.asyncDispose]();
    });

    const alice = { username: "alice", password: PASSWORD };
    const endSession = async (end: Date): Promise<void> => {
      await worker.db
        .updateTable("token")
        .set({ valid_until: toSqlTime(end) })
        .where("user_id", "=", "alice")
        .execute();
    };

    test("is that of the token and the session", async () => {
      const login = dataOf(await worker.call("login", alice));
      const { id_token } = login;
      const session = assertAgrees(login, id_token);
      assert.equal(session.left, 3600);
      const exchange = dataOf(await worker.call("token", { id_token }));
      assert.equal(assertAgrees(exchange, exchange["access_token"]).left, 120);
      const access_token = exchange["access_token"];
      const { token_info } = dataOf(await worker.call("user_get", { username: "alice", access_token }));
      assert.equal((token_info as Record<string, unknown>)["valid_until"], login["expires_at"]);
    });

    test("is the same in the reply to a retry of a login, at any time", async () => {
      await caller.call("key-1", "login", alice);
      const { issued_at, valid_until } = await moveLoginBack(4000);
      const again = dataOf(await caller.call("key-1", "login", alice));
      assert.equal(
        again["expires_at"],
        new Date(Math.floor(valid_until.getTime() / 1000) * 1000).toISOString(),
      );
      assert.equal(again["expires_in"], 3600);
      assert.equal(decodeJwt(String(again["id_token"])).iat, Math.floor(issued_at.getTime() / 1000));
    });

    /** Makes the stored reply of the last login look older. */
    async function moveLoginBack(seconds: number): Promise<{ issued_at: Date; valid_until: Date }> {
      const row = await worker.db
        .selectFrom("rpc_inbox")
        .select(["request_key", "resp_data"])
        .where("queue", "=", "login")
        .orderBy("created_at", "desc")
        .executeTakeFirstOrThrow();
      const stored = JSON.parse(row.resp_data) as Record<string, string>;
      const earlier = (name: string): Date => new Date(Date.parse(stored[name]!) - seconds * 1000);
      const times = { issued_at: earlier("issued_at"), valid_until: earlier("valid_until") };
      await worker.db
        .updateTable("rpc_inbox")
        .set({ resp_data: JSON.stringify({ ...stored, ...times }) })
        .where("request_key", "=", row.request_key)
        .execute();
      return times;
    }

    test("of an access token is never later than the session's", async () => {
      const id_token = await worker.login("alice", PASSWORD);
      const end = new Date(Date.now() + 45_678);
      await endSession(end);
      const reply = dataOf(await worker.call("token", { id_token }));
      assert.equal(assertAgrees(reply, reply["access_token"]).end, Math.floor(end.getTime() / 1000) * 1000);
    });

    test("is never now: in its last second a session issues no access token", async () => {
      const id_token = await worker.login("alice", PASSWORD);
      // The end of the current second: it is in the future, and tokens have whole seconds.
      await endSession(new Date(Math.floor(Date.now() / 1000) * 1000 + 999));
      assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
    });
  });
}

test("lifetimes may be a fraction of a minute, but tokens have whole seconds", async () => {
  await using worker = await startWorker({
    config: { app_config: { id_token_valid_time: 0.001, access_token_valid_time: 90.4 / 60 } },
  });
  await worker.addUser("alice", PASSWORD);
  const login = dataOf(await worker.call("login", { username: "alice", password: PASSWORD }));
  assert.equal(assertAgrees(login, login["id_token"]).left, 1);
});
