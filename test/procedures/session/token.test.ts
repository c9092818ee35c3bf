import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { fromSqlTime, toSqlTime } from "../../../src/db/time.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";
import { craft, decodePart } from "../../tokens/craft.ts";

for (const database of DATABASES) {
  describe(`token on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database });
    });
    after(() => worker[Symbol.asyncDispose]());

    const session = async (username: string, more: object = {}, groups: string[] = []): Promise<string> => {
      await worker.addUser(username, "correct horse", { groups });
      return worker.login(username, "correct horse", more);
    };
    const rowOf = (username: string) =>
      worker.db.selectFrom("token").selectAll().where("user_id", "=", username).executeTakeFirstOrThrow();

    test("issues an access token with the user, groups and vhost of the login", async () => {
      const id_token = await session("Carrier", { vhost: "test" }, ["ops", "dev"]);
      const { access_token, expires_at, expires_in, ...rest } = dataOf(
        await worker.call("token", { id_token }),
      );
      assert.deepEqual(rest, {});
      const { iat, nbf, exp, jti, auth_time, ...claims } = decodeJwt(access_token as string);
      assert.equal(expires_at, new Date(exp! * 1000).toISOString());
      assert.equal(expires_in, 300);
      assert.equal(auth_time, decodeJwt(id_token).iat);
      assert.deepEqual(claims, {
        iss: "authmq",
        sub: "Carrier",
        user: "Carrier",
        groups: ["dev", "ops"],
        sid: decodeProtectedHeader(id_token).kid,
        vhost: "test",
        amr: ["pwd"],
      });
      assert.equal(nbf, iat);
      assert.equal(exp! - iat!, 300);
      assert.equal(typeof jti, "string");
    });

    test("accepts an ID token from before the upgrade, which has no sid, and its access tokens have one", async () => {
      const id_token = await session("Upgraded", {}, ["ops"]);
      const { sid, ...claims } = decodePart(id_token, 1);
      const header = { ...decodePart(id_token, 0), alg: "EdDSA" };
      const old = await craft(header, claims, worker.config.signing!.key);
      const { access_token } = dataOf(await worker.call("token", { id_token: old }));
      assert.equal(decodeJwt(access_token as string)["sid"], sid);
      dataOf(await worker.call("group_all", { access_token }));
    });

    test("issues any number of access tokens, which the other queues accept", async () => {
      const id_token = await session("repeater");
      const seen = new Set<unknown>();
      for (let turn = 0; turn < 3; turn++) {
        const { access_token } = dataOf(await worker.call("token", { id_token }));
        dataOf(await worker.call("user_all", { access_token }));
        seen.add(decodeJwt(access_token as string).jti);
      }
      assert.equal(seen.size, 3);
    });

    test("issues admin tokens to members of the admin group", async () => {
      const id_token = await session("chief", {}, ["admin"]);
      const { access_token } = dataOf(await worker.call("token", { id_token }));
      dataOf(await worker.call("group_create", { groupname: "made-by-chief", access_token }));
    });

    test("lists the current groups, not those of the login", async () => {
      const id_token = await session("joiner", {}, ["before"]);
      await worker.db.deleteFrom("usergroup").where("username", "=", "joiner").execute();
      await worker.db.insertInto("group").values({ name: "afterwards" }).execute();
      await worker.db
        .insertInto("usergroup")
        .values({ username: "joiner", groupname: "afterwards" })
        .execute();
      const { access_token } = dataOf(await worker.call("token", { id_token }));
      assert.deepEqual(decodeJwt(access_token as string)["groups"], ["afterwards"]);
    });

    test("records the last use", async () => {
      const id_token = await session("user-of-it");
      assert.equal((await rowOf("user-of-it")).last_use, null);
      await worker.call("token", { id_token });
      const { last_use } = await rowOf("user-of-it");
      assert.ok(Math.abs(fromSqlTime(last_use!).getTime() - Date.now()) < 60_000, String(last_use));
    });

    test("needs an ID token", async () => {
      const id_token = await session("holder");
      const accessToken = await worker.accessToken("holder");
      const bad = [undefined, null, "", "no token", accessToken, `${id_token}x`, id_token.slice(0, -4)];
      for (const given of bad) {
        assertRefused(await worker.call("token", { id_token: given }), 401, "INVALID_TOKEN");
      }
      assertRefused(await worker.call("token", { access_token: id_token }), 401, "INVALID_TOKEN");
      for (const given of [1, true, [id_token], { id_token }]) {
        assertInvalid(await worker.call("token", { id_token: given }), "id_token");
      }
    });

    test("ignores unknown fields, which cannot extend the token", async () => {
      const id_token = await session("asker");
      const more = { vhost: "other", group: ["admin"], username: "root", limited: false };
      const { access_token } = dataOf(await worker.call("token", { id_token, ...more }));
      const { sub, groups, vhost } = decodeJwt(access_token as string);
      assert.deepEqual([sub, groups, vhost], ["asker", [], "prod"]);
    });

    test("accepts a bound token only from its address, in any spelling", async () => {
      const bindings = [
        ["192.0.2.7", ["192.0.2.7", "::ffff:192.0.2.7", "::FFFF:c000:207"], ["192.0.2.8", "::192.0.2.7"]],
        ["::ffff:192.0.2.9", ["192.0.2.9"], ["192.0.2.7"]],
        ["2001:DB8::0:1", ["2001:db8:0:0:0:0:0:1", "2001:0db8::0001"], ["2001:db8::2", "192.0.2.7"]],
      ] as const;
      for (const [index, [bound, good, bad]] of bindings.entries()) {
        const id_token = await session(`bound-${index}`, { ip: bound });
        for (const ip of good) dataOf(await worker.call("token", { id_token, ip }));
        for (const ip of [undefined, null, "*", ...bad]) {
          assertRefused(await worker.call("token", { id_token, ip }), 401, "INVALID_TOKEN");
        }
        for (const ip of ["", "here", "192.0.2.256"]) {
          assertInvalid(await worker.call("token", { id_token, ip }), "ip");
        }
        assertInvalid(await worker.call("token", { id_token, ip: [bound] }), "ip");
      }
    });

    test("accepts an unbound token from any address", async () => {
      for (const [index, bound] of [undefined, null, "*"].entries()) {
        const id_token = await session(`unbound-${index}`, { ip: bound });
        for (const ip of [undefined, null, "*", "192.0.2.7", "2001:db8::1"]) {
          dataOf(await worker.call("token", { id_token, ip }));
        }
      }
    });

    test("issues no token to a deactivated account", async () => {
      const id_token = await session("switched");
      const turn = (activated: number) =>
        worker.db.updateTable("user").set({ activated }).where("username", "=", "switched").execute();
      await turn(0);
      assertRefused(await worker.call("token", { id_token }), 403, "ACCOUNT_NOT_ACTIVATED");
      await turn(1);
      dataOf(await worker.call("token", { id_token }));
    });

    test("rejects a token whose session has expired, regardless of exp", async () => {
      const id_token = await session("expired");
      await worker.db
        .updateTable("token")
        .set({ valid_until: toSqlTime(new Date(Date.now() - 1000)) })
        .where("user_id", "=", "expired")
        .execute();
      assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
    });

    test("rejects the token of a deleted user, also for a new account of that name", async () => {
      const id_token = await session("phoenix");
      await worker.db.deleteFrom("user").where("username", "=", "phoenix").execute();
      assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
      await session("phoenix");
      assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
    });
  });

  describe(`token on ${database} with access_token_valid_time`, () => {
    test("issues access tokens with the configured lifetime", async () => {
      await using worker = await startWorker({
        database,
        config: { app_config: { access_token_valid_time: 1, default_vhost: "fallback" } },
      });
      await worker.addUser("alice", "correct horse");
      const id_token = await worker.login("alice", "correct horse");
      const { access_token } = dataOf(await worker.call("token", { id_token }));
      const { exp, iat, vhost } = decodeJwt(access_token as string);
      assert.deepEqual([exp! - iat!, vhost], [60, "fallback"]);
    });
  });
}
