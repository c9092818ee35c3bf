import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { parse } from "../../config/faults-of.ts";
import { newKey, timeFromNow } from "../../support/key-ring.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

const PASSWORD = "correct horse battery";
const DAY = 24 * 60;

const seconds = (time: unknown): number => Date.parse(String(time)) / 1000;

for (const database of DATABASES) {
  describe(`the renewal of a session on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      const app_config = { id_token_valid_time: DAY, session_renewal_time: 3 * DAY };
      worker = await startWorker({ database, config: { app_config } });
      await worker.addUser("alice", PASSWORD, { groups: ["dev"] });
    });
    after(() => worker[Symbol.asyncDispose]());

    const renew = (id_token: string, more: object = {}) =>
      worker.call("token", { id_token, renew: true, ...more });
    /** Moves the session of alice into the past, by hours. */
    const age = async (hours: number): Promise<void> => {
      const [row] = await worker.db.selectFrom("token").selectAll().where("user_id", "=", "alice").execute();
      const shift = (time: string): string =>
        new Date(Date.parse(`${time.replace(" ", "T")}Z`) - hours * 3_600_000)
          .toISOString()
          .replace("T", " ")
          .replace("Z", "");
      await worker.db
        .updateTable("token")
        .set({ created_at: shift(row!.created_at), valid_until: shift(row!.valid_until) })
        .where("user_id", "=", "alice")
        .execute();
    };

    test("gives a new ID token of the same session, valid for a whole lifetime from now", async () => {
      const id_token = await worker.login("alice", PASSWORD);
      await age(20);
      const reply = dataOf(await renew(id_token));
      const claims = decodeJwt(reply["id_token"] as string);
      assert.equal(claims["sid"], decodeJwt(id_token)["sid"]);
      assert.deepEqual(claims["groups"], ["dev"]);
      assert.equal(claims.exp, seconds(reply["id_token_expires_at"]));
      assert.ok(Math.abs(claims.exp - Date.now() / 1000 - DAY * 60) < 30, String(claims.exp));
      dataOf(await worker.call("token", { id_token: reply["id_token"] }));
      dataOf(await worker.call("token", { id_token }));
    });

    test("ends at session_renewal_time after the login", async () => {
      const id_token = await worker.login("alice", PASSWORD);
      await age(23);
      let reply = dataOf(await renew(id_token));
      await age(23);
      reply = dataOf(await renew(reply["id_token"] as string));
      await age(20);
      reply = dataOf(await renew(reply["id_token"] as string));
      const left = seconds(reply["id_token_expires_at"]) - Date.now() / 1000;
      assert.ok(Math.abs(left - 6 * 3600) < 30, `${left} seconds are left of 72 hours after 66`);
    });

    test("never shortens a session", async () => {
      const id_token = await worker.login("alice", PASSWORD);
      const before = decodeJwt(id_token).exp;
      await worker.db
        .updateTable("token")
        .set({ created_at: "2020-01-01 00:00:00.000" })
        .where("user_id", "=", "alice")
        .execute();
      const reply = dataOf(await renew(id_token));
      assert.equal(decodeJwt(reply["id_token"] as string).exp, before);
    });

    test("does not revive a revoked session", async () => {
      const id_token = await worker.login("alice", PASSWORD);
      dataOf(await worker.call("logout", { id_token }));
      assertRefused(await renew(id_token), 401, "INVALID_TOKEN");
    });

    test("is refused for an account that was deactivated, and for one that is deactivated meanwhile", async () => {
      await worker.addUser("leaver", PASSWORD);
      const access_token = await worker.accessToken("root", ["admin"]);
      const change = { username: "leaver", access_token };
      for (let round = 0; round < 10; round++) {
        dataOf(await worker.call("user_change", { ...change, activated: true }));
        const id_token = await worker.login("leaver", PASSWORD);
        const [renewal] = await Promise.all([
          renew(id_token),
          worker.call("user_change", { ...change, activated: false }),
        ]);
        assert.ok([200, 401, 403].includes(renewal.resp_code), JSON.stringify(renewal));
        assertRefused(await renew(id_token), 403, "ACCOUNT_NOT_ACTIVATED");
      }
    });

    test("keeps the address of the session", async () => {
      const id_token = await worker.login("alice", PASSWORD, { ip: "192.0.2.7" });
      assertRefused(await renew(id_token), 401, "INVALID_TOKEN");
      const reply = dataOf(await renew(id_token, { ip: "192.0.2.7" }));
      assert.equal(decodeJwt(reply["id_token"] as string)["ip"], "192.0.2.7");
    });

    test("is optional: without renew there is no new ID token", async () => {
      const id_token = await worker.login("alice", PASSWORD);
      for (const more of [{}, { renew: false }, { renew: null }])
        assert.equal(dataOf(await worker.call("token", { id_token, ...more }))["id_token"], undefined);
    });
  });
}

test("a session that is renewed after a change of the algorithm has the new one, and its old token lives on", async () => {
  const [before, after] = [newKey("EdDSA"), newKey("ES256")];
  const sections = (keys: object, signmethod: string) => ({
    jwt_creation: { issuer: "authmq", signmethod, secret: undefined, keys },
    app_config: { session_renewal_time: 3 * DAY },
  });
  await using worker = await startWorker({ config: sections({ active: before, next: after }, "EdDSA") });
  await worker.addUser("alice", PASSWORD);
  const id_token = await worker.login("alice", PASSWORD);
  const retiring = [{ ...before, until: timeFromNow(3_600_000) }];
  await worker.worker.useKeys(parse(sections({ active: after, retiring }, "ES256"), { keys: true }));
  const { id_token: renewed } = dataOf(await worker.call("token", { id_token, renew: true }));
  assert.equal(decodeProtectedHeader(String(renewed)).alg, "ES256");
  dataOf(await worker.call("token", { id_token: renewed }));
  dataOf(await worker.call("token", { id_token: renewed, renew: true }));
  dataOf(await worker.call("token", { id_token }));
  dataOf(await worker.call("logout", { id_token }));
  assertRefused(await worker.call("token", { id_token: renewed }), 401, "INVALID_TOKEN");
});

test("renew is an error that names the field if the installation renews no sessions", async () => {
  await using worker = await startWorker();
  await worker.addUser("alice", PASSWORD);
  const id_token = await worker.login("alice", PASSWORD);
  assertInvalid(await worker.call("token", { id_token, renew: true }), "renew");
  dataOf(await worker.call("token", { id_token, renew: false }));
});
