import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createLocalJWKSet, jwtVerify } from "jose";
import { toSqlTime } from "../../../src/db/time.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";
import { decodePart } from "../../tokens/craft.ts";

const PASSWORD = "correct horse battery";

const scopes = {
  shop: ["read:orders.*", "write:amq.topic/orders.*"],
  admin: ["tag:administrator"],
  huge: Array.from({ length: 100 }, (_, index) => `read:a-queue-with-a-long-name-${index}`),
};

for (const database of DATABASES) {
  describe(`token with broker on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({
        database,
        config: {
          app_config: { vhosts: ["prod", "a/b*", "closed"], access_token_valid_time: 2 },
          broker_settings: { scopes, vhosts: ["prod", "a/b*"] },
        },
      });
    });
    after(() => worker[Symbol.asyncDispose]());

    const session = async (username: string, groups: string[], vhost = "prod"): Promise<string> => {
      await worker.addUser(username, PASSWORD, { groups });
      return worker.login(username, PASSWORD, { vhost });
    };
    const ask = (id_token: string, broker: unknown = true) => worker.call("token", { id_token, broker });

    test("returns a broker token and an access token", async () => {
      const id_token = await session("Shopper", ["shop", "admin"], "a/b*");
      const { access_token, broker_token, expires_at, expires_in, ...rest } = dataOf(await ask(id_token));
      assert.deepEqual(rest, {});
      assert.deepEqual([typeof expires_at, expires_in], ["string", 120]);
      assert.equal(decodePart(String(access_token), 1)["vhost"], "a/b*");
      const { keys } = dataOf(await worker.call("jwks", {}));
      const { payload, protectedHeader } = await jwtVerify(
        String(broker_token),
        createLocalJWKSet({ keys } as Parameters<typeof createLocalJWKSet>[0]),
        { issuer: "authmq", audience: "rabbitmq", typ: "rabbitmq+jwt" },
      );
      const { iat, nbf, exp, jti, scope, ...claims } = payload;
      assert.deepEqual(claims, { iss: "authmq", sub: "Shopper", aud: "rabbitmq" });
      assert.deepEqual([nbf, exp! - iat!, typeof jti], [iat, 120, "string"]);
      assert.deepEqual(String(scope).split(" ").toSorted(), [
        "rabbitmq.read:a%2Fb%2A/orders.*/*",
        "rabbitmq.tag:administrator",
        "rabbitmq.write:a%2Fb%2A/amq.topic/orders.*",
      ]);
      assert.deepEqual(Object.keys(protectedHeader).toSorted(), ["alg", "kid", "typ"]);
      const { length } = String(broker_token);
      assert.ok(length < 2048, `${length} characters`);
    });

    test("returns only an access token by default", async () => {
      const id_token = await session("modest", ["shop"]);
      for (const request of [{ id_token }, { id_token, broker: false }, { id_token, broker: null }])
        assert.equal(dataOf(await worker.call("token", request))["broker_token"], undefined);
      for (const broker of ["true", 1, [true]]) assertInvalid(await ask(id_token, broker), "broker");
    });

    test("returns no token if the user has no broker permissions on the vhost", async () => {
      const nobody = await session("nobody", ["unheard-of"]);
      assertRefused(await ask(nobody), 403, "NO_BROKER_ACCESS");
      const elsewhere = await session("elsewhere", ["shop", "admin"], "closed");
      assertRefused(await ask(elsewhere), 403, "NO_BROKER_ACCESS");
      for (const id_token of [nobody, elsewhere]) dataOf(await ask(id_token, false));
    });

    test("has scopes for the user's current groups", async () => {
      const id_token = await session("joiner", []);
      assertRefused(await ask(id_token), 403, "NO_BROKER_ACCESS");
      await worker.db.insertInto("usergroup").values({ username: "joiner", groupname: "shop" }).execute();
      assert.match(String(dataOf(await ask(id_token))["broker_token"]), /^ey/);
      await worker.db.deleteFrom("usergroup").where("username", "=", "joiner").execute();
      assertRefused(await ask(id_token), 403, "NO_BROKER_ACCESS");
    });

    test("has the scopes of the requested groups only", async () => {
      const id_token = await session("modest-2", ["shop", "admin", "huge"]);
      const { broker_token } = dataOf(
        await worker.call("token", { id_token, broker: true, groups: ["admin"] }),
      );
      assert.equal(decodePart(String(broker_token), 1)["scope"], "rabbitmq.tag:administrator");
      const none = await worker.call("token", { id_token, broker: true, groups: [] });
      assertRefused(none, 403, "NO_BROKER_ACCESS");
    });

    test("returns no token that outlives the session", async () => {
      const id_token = await session("leaving", ["shop"]);
      const end = new Date(Date.now() + 30_000);
      await worker.db
        .updateTable("token")
        .set({ valid_until: toSqlTime(end) })
        .where("user_id", "=", "leaving")
        .execute();
      const data = dataOf(await ask(id_token));
      for (const name of ["access_token", "broker_token"])
        assert.equal(decodePart(String(data[name]), 1)["exp"], Math.floor(end.getTime() / 1000), name);
    });

    test("is 409 if the scopes do not fit into a token", async () => {
      assertRefused(await ask(await session("collector", ["huge"])), 409, "BROKER_TOKEN_TOO_LARGE");
    });

    test("requires an ID token, and the broker token is not accepted by authmq", async () => {
      const id_token = await session("holder", ["shop"]);
      const { broker_token } = dataOf(await ask(id_token));
      assertRefused(await ask(`${id_token}x`), 401, "INVALID_TOKEN");
      assertRefused(await ask(String(broker_token)), 401, "INVALID_TOKEN");
      assertRefused(await worker.call("user_all", { access_token: broker_token }), 401, "INVALID_TOKEN");
      assertRefused(await worker.call("logout", { id_token: broker_token }), 401, "INVALID_TOKEN");
      assert.deepEqual(dataOf(await worker.call("introspect", { token: broker_token })), { active: false });
      await worker.db.updateTable("user").set({ activated: 0 }).where("username", "=", "holder").execute();
      assertRefused(await ask(id_token), 403, "ACCOUNT_NOT_ACTIVATED");
    });
  });

  test(`token on ${database} rejects broker: true without broker_settings`, async () => {
    await using worker = await startWorker({ database });
    await worker.addUser("alice", PASSWORD);
    const id_token = await worker.login("alice", PASSWORD);
    const reply = await worker.call("token", { id_token, broker: true });
    assertInvalid(reply, "broker");
    assert.match(JSON.stringify(reply.resp_data["fields"]), /broker_settings/);
    dataOf(await worker.call("token", { id_token, broker: false }));
  });
}
