import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { fromSqlTime, toSqlTime } from "../../src/db/time.ts";
import { createTokens } from "../../src/tokens/tokens.ts";
import { connectKeyed } from "../support/keyed-caller.ts";
import { dataOf } from "../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";
import { accessClaims, craft, decodePart } from "./craft.ts";

const PASSWORD = "correct horse battery";
const HOUR = 3_600_000;

for (const database of DATABASES) {
  describe(`amr and auth_time on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database, config: { app_config: { session_renewal_time: 10_000 } } });
      await worker.addUser("alice", PASSWORD, { groups: ["admin"] });
    });
    after(() => worker[Symbol.asyncDispose]());

    const authentication = (token: unknown): unknown[] => {
      const { amr, auth_time } = decodePart(String(token), 1);
      return [amr, auth_time];
    };
    const sessionOf = (id_token: string) =>
      worker.db
        .selectFrom("token")
        .selectAll()
        .where("token_id", "=", BigInt(String(decodePart(id_token, 1)["sid"])));
    /** Makes the login of a session earlier, and returns its time in seconds. */
    const moveLoginBack = async (id_token: string, milliseconds: number): Promise<number> => {
      const { token_id, created_at } = await sessionOf(id_token).executeTakeFirstOrThrow();
      const at = new Date(fromSqlTime(created_at).getTime() - milliseconds);
      await worker.db
        .updateTable("token")
        .set({ created_at: toSqlTime(at) })
        .where("token_id", "=", BigInt(token_id))
        .execute();
      return Math.floor(at.getTime() / 1000);
    };

    test("say that the login was with a password, and when, in both tokens and in the session's row", async () => {
      const id_token = await worker.login("alice", PASSWORD);
      const { created_at, amr } = await sessionOf(id_token).executeTakeFirstOrThrow();
      const expected = [["pwd"], Math.floor(fromSqlTime(created_at).getTime() / 1000)];
      assert.equal(amr, "pwd");
      assert.deepEqual(authentication(id_token), expected);
      const { access_token } = dataOf(await worker.call("token", { id_token, groups: ["admin"] }));
      assert.deepEqual(authentication(access_token), expected);
    });

    test("stay those of the login, however late the access token or the renewal", async () => {
      const id_token = await worker.login("alice", PASSWORD);
      const at = await moveLoginBack(id_token, 20 * HOUR);
      let reply = dataOf(await worker.call("token", { id_token, renew: true }));
      for (let round = 0; round < 2; round++) {
        assert.deepEqual(authentication(reply["id_token"]), [["pwd"], at]);
        assert.deepEqual(authentication(reply["access_token"]), [["pwd"], at]);
        reply = dataOf(await worker.call("token", { id_token: reply["id_token"], renew: true }));
      }
    });

    test("list several methods in the order of the row", async () => {
      const id_token = await worker.login("alice", PASSWORD);
      await worker.db.updateTable("token").set({ amr: "pwd otp mfa" }).execute();
      const reply = dataOf(await worker.call("token", { id_token, renew: true }));
      for (const token of [reply["id_token"], reply["access_token"]])
        assert.deepEqual(authentication(token)[0], ["pwd", "otp", "mfa"]);
    });

    test("of a session from before 0029-token-amr are only the time", async () => {
      const id_token = await worker.login("alice", PASSWORD);
      await worker.db.updateTable("token").set({ amr: null }).execute();
      const at = await moveLoginBack(id_token, HOUR);
      const reply = dataOf(await worker.call("token", { id_token, renew: true }));
      for (const token of [reply["id_token"], reply["access_token"]]) {
        assert.deepEqual(authentication(token), [undefined, at]);
        assert.equal(Object.hasOwn(decodePart(String(token), 1), "amr"), false);
      }
    });

    test("are not in the token of an API key", async () => {
      const access_token = await worker.ownToken("alice", PASSWORD);
      const request = { access_token, username: "alice", name: `key on ${database}` };
      const { api_key } = dataOf(await worker.call("api_key_create", request));
      const reply = dataOf(await worker.call("token", { api_key }));
      const claims = decodePart(String(reply["access_token"]), 1);
      assert.deepEqual(
        Object.keys(claims).filter((name) => ["amr", "auth_time"].includes(name)),
        [],
      );
      const described = dataOf(await worker.call("introspect", { token: reply["access_token"] }));
      assert.deepEqual([described["amr"], described["auth_time"]], [undefined, undefined]);
    });

    test("a replayed login returns the same token, also after its session has ended", async () => {
      await using caller = await connectKeyed(worker);
      const key = randomUUID();
      const request = { username: "alice", password: PASSWORD };
      const first = await caller.call(key, "login", request);
      const { id_token } = dataOf(first);
      assert.deepEqual(authentication(id_token)[0], ["pwd"]);
      assert.equal(dataOf(await caller.call(key, "login", request))["id_token"], id_token);
      dataOf(await worker.call("logout", { id_token }));
      assert.equal(dataOf(await caller.call(key, "login", request))["id_token"], id_token);
    });

    test("a replayed login that the version before has recorded returns a token without them", async () => {
      await using caller = await connectKeyed(worker);
      const key = randomUUID();
      const request = { username: "alice", password: PASSWORD };
      const { id_token } = dataOf(await caller.call(key, "login", request));
      const row = await worker.db
        .selectFrom("rpc_inbox")
        .selectAll()
        .where("resp_data", "like", `%${String(decodePart(String(id_token), 1)["sid"])}%`)
        .executeTakeFirstOrThrow();
      const { amr, ...earlier } = JSON.parse(row.resp_data) as Record<string, unknown>;
      assert.deepEqual(amr, ["pwd"]);
      await worker.db
        .updateTable("rpc_inbox")
        .set({ resp_data: JSON.stringify(earlier) })
        .where("request_key", "=", row.request_key)
        .execute();
      const replayed = dataOf(await caller.call(key, "login", request))["id_token"];
      const { amr: method, auth_time, ...claims } = decodePart(String(id_token), 1);
      assert.deepEqual([method, typeof auth_time], [["pwd"], "number"]);
      assert.deepEqual(decodePart(String(replayed), 1), claims);
      dataOf(await worker.call("token", { id_token: replayed }));
    });

    test("are what introspect returns", async () => {
      const id_token = await worker.login("alice", PASSWORD);
      const { access_token } = dataOf(await worker.call("token", { id_token }));
      for (const token of [id_token, access_token]) {
        const { amr, auth_time } = dataOf(await worker.call("introspect", { token }));
        assert.deepEqual([amr, auth_time], authentication(token));
      }
    });

    test("of a wrong type count as absent: other issuers write them otherwise", async () => {
      const { signing, issuers } = worker.config;
      const { validator } = await createTokens(signing!, issuers);
      const { sid } = decodePart(await worker.login("alice", PASSWORD), 1);
      const own = (claims: object) =>
        craft({ alg: signing!.method, typ: "at+jwt" }, { ...accessClaims({ sid }), ...claims }, signing!.key);
      const good = await own({ amr: ["pwd", "otp"], auth_time: 1_790_000_000.5 });
      assert.deepEqual(validator.verifyAccessToken(good)?.amr, ["pwd", "otp"]);
      assert.equal(validator.verifyAccessToken(good)?.authTime?.getTime(), 1_790_000_000_500);
      const without = validator.verifyAccessToken(await own({}));
      assert.deepEqual([without?.username, without?.amr, without?.authTime], ["alice", undefined, undefined]);
      for (const claims of [
        { amr: "pwd" },
        { amr: [1] },
        { amr: null },
        { auth_time: "1790000000" },
        { auth_time: -1 },
        { auth_time: null },
        { auth_time: 1e13 },
      ]) {
        const read = validator.verifyAccessToken(await own(claims));
        assert.deepEqual(
          [read?.username, read?.amr, read?.authTime],
          ["alice", undefined, undefined],
          JSON.stringify(claims),
        );
      }
    });
  });
}
