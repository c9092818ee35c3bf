import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { toSqlTime } from "../../src/db/time.ts";
import { createIssuer, type TokenIssuer } from "../../src/tokens/issuer.ts";
import { connectKeyed } from "../support/keyed-caller.ts";
import { assertRefused, dataOf } from "../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";
import { decodePart } from "../tokens/craft.ts";

const PASSWORD = "correct horse battery";
const OTHER = "another horse battery";
const MINUTES = 15;

for (const database of DATABASES) {
  describe(`a request that needs a recent login, on ${database}`, () => {
    let worker: TestWorker;
    let issuer: TokenIssuer;
    before(async () => {
      const app_config = { reauthentication_time: MINUTES, session_renewal_time: 10_000 };
      worker = await startWorker({ database, config: { app_config } });
      issuer = await createIssuer(worker.config.signing!);
      await worker.addUser("boss", PASSWORD, { groups: ["admin"] });
      await worker.addUser("alice", PASSWORD);
    });
    after(() => worker[Symbol.asyncDispose]());

    /** An access token of a new session, whose login was so many minutes ago; undefined: it does not say when. */
    const tokenOf = async (username: string, minutes?: number): Promise<string> => {
      const { sid } = decodePart(await worker.login(username, PASSWORD), 1);
      const authTime = minutes === undefined ? undefined : new Date(Date.now() - minutes * 60_000);
      const grant = { sid: BigInt(String(sid)) };
      return issuer.signAccessToken(
        { username, groups: [] },
        { grant, vhost: "prod", lifetime: 300, authTime, amr: ["pwd"] },
      );
    };
    const change = (access_token: string, changes: object) =>
      worker.call("user_change", { access_token, ...changes });
    const email = () => `${randomUUID()}@example.com`;

    test("is done after a login within the time, and refused after an older or unknown one", async () => {
      dataOf(await change(await tokenOf("alice", MINUTES - 1), { username: "alice", email: email() }));
      for (const minutes of [MINUTES + 0.1, 10_000, undefined])
        for (const changes of [
          { email: email() },
          { password: OTHER },
          { password: OTHER, email: email() },
        ]) {
          const reply = await change(await tokenOf("alice", minutes), { username: "ALICE", ...changes });
          assertRefused(reply, 403, "REAUTHENTICATION_REQUIRED");
        }
      await worker.login("alice", PASSWORD);
    });

    test("is refused by the real time of the login, which no renewal changes", async () => {
      const id_token = await worker.login("alice", PASSWORD);
      const created_at = toSqlTime(new Date(Date.now() - 3_600_000));
      await worker.db.updateTable("token").set({ created_at }).where("user_id", "=", "alice").execute();
      const renewed = dataOf(await worker.call("token", { id_token, renew: true }));
      const again = dataOf(await worker.call("token", { id_token: renewed["id_token"] }));
      for (const { access_token } of [renewed, again]) {
        const reply = await change(String(access_token), { username: "alice", email: email() });
        assertRefused(reply, 403, "REAUTHENTICATION_REQUIRED");
      }
      dataOf(await change(await worker.ownToken("alice", PASSWORD), { username: "alice", email: email() }));
    });

    test("is for the own account: an administrator changes others after any login", async () => {
      const access_token = await tokenOf("boss", 10_000);
      dataOf(await change(access_token, { username: "alice", email: email() }));
      const own = await change(access_token, { username: "Boss", email: email() });
      assertRefused(own, 403, "REAUTHENTICATION_REQUIRED");
      dataOf(await change(access_token, { username: "boss", activated: true }));
    });

    test("is forbidden first: a login now would not help", async () => {
      const access_token = await tokenOf("alice", 10_000);
      assertRefused(await change(access_token, { username: "boss", email: email() }), 403, "FORBIDDEN");
      const foreign = await worker.accessToken("alice");
      const reply = await change(foreign, { username: "alice", email: email() });
      assertRefused(reply, 403, "REAUTHENTICATION_REQUIRED");
    });

    test("gets its recorded reply if it was done before, though the login is too old now", async () => {
      await using caller = await connectKeyed(worker);
      const [key, request] = [randomUUID(), { username: "alice", email: email() }];
      const recent = { ...request, access_token: await tokenOf("alice", 1) };
      const first = await caller.call(key, "user_change", recent);
      dataOf(first);
      const late = { ...request, access_token: await tokenOf("alice", 10_000) };
      assert.deepEqual(await caller.call(key, "user_change", late), first);
      const another = await caller.call(randomUUID(), "user_change", late);
      assertRefused(another, 403, "REAUTHENTICATION_REQUIRED");
    });
  });
}

test("a login becomes too old while the session lives, and by default never", async () => {
  await using worker = await startWorker({ config: { app_config: { reauthentication_time: 0.1 } } });
  await worker.addUser("alice", PASSWORD);
  const access_token = await worker.ownToken("alice", PASSWORD);
  const change = () =>
    worker.call("user_change", { access_token, username: "alice", email: "a@example.com" });
  dataOf(await change());
  let reply = await change();
  for (let round = 0; round < 300 && reply.resp_code === 200; round++) {
    await sleep(100);
    reply = await change();
  }
  assertRefused(reply, 403, "REAUTHENTICATION_REQUIRED");
  dataOf(await worker.call("user_all", { access_token }));

  await using usual = await startWorker();
  assert.equal(usual.config.app.reauthentication_time, 0);
  await usual.addUser("alice", PASSWORD);
  const foreign = await usual.accessToken("alice");
  dataOf(
    await usual.call("user_change", { access_token: foreign, username: "alice", email: "a@example.com" }),
  );
});
