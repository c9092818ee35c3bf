import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { calculateJwkThumbprint, exportJWK, jwtVerify } from "jose";
import { generateSecret } from "../../src/config/generate-key.ts";
import { createIssuer } from "../../src/tokens/issuer.ts";
import { latestSessionOf } from "../support/session-row.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";
import { accessClaims, craft, decodePart } from "./craft.ts";

describe("issued tokens", () => {
  let worker: TestWorker;
  let idToken: string;
  let accessToken: string;
  before(async () => {
    worker = await startWorker({
      config: {
        jwt_creation: { issuer: "https://auth.example.com" },
        app_config: { id_token_valid_time: 60, access_token_valid_time: 2 },
      },
    });
    await worker.addUser("Alice", "correct horse", { groups: ["ops", "dev"] });
    idToken = await worker.login("ALICE", "correct horse", { ip: "::ffff:192.0.2.7", vhost: "staging" });
    accessToken = await exchange();
  });
  after(() => worker[Symbol.asyncDispose]());

  async function exchange(): Promise<string> {
    const { resp_data } = await worker.call("token", { id_token: idToken, ip: "192.0.2.7" });
    return resp_data["access_token"] as string;
  }

  test("an ID token's header names the algorithm, its type and its database row", async () => {
    const row = await latestSessionOf(worker.db, "Alice");
    assert.deepEqual(decodePart(idToken, 0), { alg: "EdDSA", typ: "id+jwt", kid: String(row?.token_id) });
    assert.match(String(row?.token_id), /^[1-9]\d*$/);
  });

  test("an ID token contains user, groups, session and address, but not the vhost", async () => {
    const { iat, nbf, exp, groups, auth_time, ...rest } = decodePart(idToken, 1);
    const { kid: sid } = decodePart(idToken, 0);
    const claims = { iss: "https://auth.example.com", sub: "Alice", sid, ip: "192.0.2.7", amr: ["pwd"] };
    assert.deepEqual(rest, claims);
    assert.equal(auth_time, iat, "the login has just issued it");
    assert.deepEqual((groups as string[]).toSorted(), ["dev", "ops"]);
    assert.ok(Number.isSafeInteger(iat), String(iat));
    assert.equal(nbf, iat);
    assert.ok(Math.abs(Number(exp) - Number(iat) - 3600) <= 1, "valid for id_token_valid_time minutes");
  });

  test("an ID token's row has the same expiry, address and algorithm, and the vhost", async () => {
    const row = await latestSessionOf(worker.db, "Alice");
    assert.equal(Math.floor(Number(row?.valid_until) / 1000), decodePart(idToken, 1)["exp"]);
    assert.equal(row?.ip, "192.0.2.7");
    assert.deepEqual(row.sign_methods, ["EdDSA"]);
    assert.equal(row.vhost, "staging");
  });

  test("an access token's header names its type and the RFC 7638 thumbprint of the key", async () => {
    const jwk = await exportJWK(createPublicKey(worker.config.signing!.key));
    assert.deepEqual(decodePart(accessToken, 0), {
      alg: "EdDSA",
      typ: "at+jwt",
      kid: await calculateJwkThumbprint(jwk),
    });
  });

  test("an access token contains user, groups, session, vhost and times, and an audience only if one is set", () => {
    const { iat, nbf, exp, jti, groups, auth_time, ...rest } = decodePart(accessToken, 1);
    assert.equal(auth_time, decodePart(idToken, 1)["iat"]);
    assert.deepEqual(rest, {
      iss: "https://auth.example.com",
      sub: "Alice",
      user: "Alice",
      sid: decodePart(idToken, 0)["kid"],
      vhost: "staging",
      amr: ["pwd"],
    });
    assert.deepEqual((groups as string[]).toSorted(), ["dev", "ops"]);
    assert.ok(Number.isSafeInteger(iat), String(iat));
    assert.equal(nbf, iat);
    assert.equal(Number(exp) - Number(iat), 120, "valid for access_token_valid_time minutes");
    assert.ok(typeof jti === "string" && jti.length >= 16, String(jti));
  });

  test("no two access tokens share a jti", async () => {
    const tokens = await Promise.all(Array.from({ length: 8 }, exchange));
    assert.equal(new Set(tokens.map((token) => decodePart(token, 1)["jti"])).size, 8);
  });

  test("a service can verify an access token with only the public key", async () => {
    const key = createPublicKey(worker.config.signing!.key);
    const { payload } = await jwtVerify(accessToken, key, {
      algorithms: ["EdDSA"],
      issuer: "https://auth.example.com",
      typ: "at+jwt",
    });
    assert.equal(payload.sub, "Alice");
  });

  test("each login of a user gets a new token id", async () => {
    const ids = new Set<unknown>();
    for (let round = 0; round < 4; round++) {
      ids.add(decodePart(await worker.login("Alice", "correct horse", { ip: "192.0.2.7" }), 0)["kid"]);
    }
    assert.equal(ids.size, 4);
  });
});

describe("tokens of an installation with an audience", () => {
  test("access tokens contain it, ID tokens do not, and an access token without it is rejected", async () => {
    await using worker = await startWorker({ config: { jwt_creation: { audience: "services" } } });
    await worker.addUser("alice", "correct horse");
    const idToken = await worker.login("alice", "correct horse");
    const { resp_data } = await worker.call("token", { id_token: idToken });
    const accessToken = resp_data["access_token"] as string;
    assert.equal(decodePart(accessToken, 1)["aud"], "services");
    assert.equal(Object.hasOwn(decodePart(idToken, 1), "aud"), false);
    assert.equal((await worker.call("user_all", { access_token: accessToken })).resp_code, 200);

    const withoutAudience = await createIssuer({ ...worker.config.signing!, audience: undefined });
    const grant = { sid: BigInt(String(decodePart(idToken, 0)["kid"])) };
    const without = withoutAudience.signAccessToken(
      { username: "alice", groups: [] },
      { grant, vhost: "prod", lifetime: 60 },
    );
    assert.equal((await worker.call("user_all", { access_token: without })).resp_code, 401);
  });

  test("tokens of another issuer are accepted only for its audience, if one is set", async () => {
    const { secret, publicKey } = generateSecret("ES256");
    const partner = { secret: { type: "plain", value: publicKey }, methods: ["ES256"] };
    const jwt_validation = [
      { ...partner, name: "strict", audience: "services" },
      { ...partner, name: "lax" },
    ] as unknown as Record<string, unknown>;
    await using worker = await startWorker({ config: { jwt_validation } });
    await worker.addUser("alice", "correct horse");
    const codeOf = async (iss: string, aud: unknown): Promise<number> => {
      const claims = accessClaims({ iss, aud });
      const access_token = await craft({ alg: "ES256", typ: "at+jwt" }, claims, createPrivateKey(secret));
      return (await worker.call("user_all", { access_token })).resp_code;
    };
    assert.deepEqual(
      [await codeOf("strict", "services"), await codeOf("strict", ["else", "services"])],
      [200, 200],
    );
    for (const aud of [undefined, "else", [], "service", ["else"]])
      assert.deepEqual([await codeOf("strict", aud), await codeOf("lax", aud)], [401, 200], String(aud));
  });
});
