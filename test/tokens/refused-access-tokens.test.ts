import assert from "node:assert/strict";
import { createPublicKey, type KeyObject } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { exportJWK } from "jose";
import { generateSecret } from "../../src/config/generate-key.ts";
import { readSigningKey } from "../../src/config/keys.ts";
import type { SignMethod } from "../../src/config/sections/jwt.ts";
import { insertSession } from "../support/session-row.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";
import { accessClaims, craft, secondsFromNow } from "./craft.ts";

const partner = generate("ES256");
const reseller = generate("RS256");
const header = { alg: "EdDSA", typ: "at+jwt" };

function generate(method: SignMethod): { key: KeyObject; publicPem: string } {
  const { secret, publicKey = "" } = generateSecret(method);
  return { key: readSigningKey({ type: "plain", value: secret }, method, "."), publicPem: publicKey };
}

describe("an access token", () => {
  let worker: TestWorker;
  let own: KeyObject;
  /** A session of alice, which lives: tokens are rejected only for what is wrong with them. */
  let sid: string;
  before(async () => {
    const issuers = [
      { name: "partner", secret: { type: "plain", value: partner.publicPem }, methods: ["ES256"] },
      { name: "reseller", secret: { type: "plain", value: reseller.publicPem }, methods: ["RS256", "RS384"] },
    ];
    worker = await startWorker({
      config: { jwt_validation: issuers as unknown as Record<string, unknown> },
    });
    await worker.addUser("alice", "correct horse");
    await worker.addUser("bobby", "correct horse");
    sid = String(await insertSession(worker.db, "alice"));
    own = worker.config.signing!.key;
  });
  after(() => worker[Symbol.asyncDispose]());

  async function present(token: unknown): Promise<number> {
    return (await worker.call("user_all", { access_token: token })).resp_code;
  }

  const ownClaims = (changes: Record<string, unknown> = {}) => accessClaims({ sid, ...changes });

  async function presentSigned(
    changes: Record<string, unknown>,
    more: Record<string, unknown> = {},
  ): Promise<number> {
    return present(await craft({ ...header, ...more }, ownClaims(changes), own));
  }

  test("that is valid is accepted, with or without the optional claims", async () => {
    assert.equal(await presentSigned({}), 200);
    assert.equal(await presentSigned({ user: undefined, vhost: undefined, jti: undefined }), 200);
    assert.equal(await presentSigned({}, { typ: "application/at+jwt" }), 200);
  });

  test("of another issuer is accepted with that issuer's key and algorithms", async () => {
    const claims = accessClaims({ iss: "partner", sub: "visitor", user: "visitor" });
    assert.equal(await present(await craft({ ...header, alg: "ES256" }, claims, partner.key)), 200);
    for (const alg of ["RS256", "RS384"]) {
      const token = await craft({ ...header, alg }, accessClaims({ iss: "reseller" }), reseller.key);
      assert.equal(await present(token), 200, alg);
    }
  });

  test("signed with an algorithm that is not allowed for its issuer is rejected", async () => {
    for (const alg of ["RS512", "PS256", "PS384"]) {
      const token = await craft({ ...header, alg }, accessClaims({ iss: "reseller" }), reseller.key);
      assert.equal(await present(token), 401, alg);
    }
  });

  test("of an unknown issuer is rejected", async () => {
    for (const iss of ["somebody", "", "Authmq", "authmq ", "__proto__", "constructor"]) {
      assert.equal(await presentSigned({ iss }), 401, iss);
    }
  });

  test("with the name of one issuer and the key of another is rejected", async () => {
    const es256 = { ...header, alg: "ES256" };
    assert.equal(await present(await craft(es256, ownClaims(), partner.key)), 401);
    assert.equal(await presentSigned({ iss: "partner" }), 401);
    const claims = accessClaims({ iss: "partner" });
    assert.equal(await present(await craft({ ...header, alg: "RS256" }, claims, reseller.key)), 401);
  });

  test("without a signature is rejected", async () => {
    const claims = Buffer.from(JSON.stringify(ownClaims())).toString("base64url");
    for (const alg of ["none", "None", "NONE", ""]) {
      const protectedHeader = Buffer.from(JSON.stringify({ alg, typ: "at+jwt" })).toString("base64url");
      assert.equal(await present(`${protectedHeader}.${claims}.`), 401, alg);
      assert.equal(await present(`${protectedHeader}.${claims}`), 401, alg);
      assert.equal(await present(`${protectedHeader}.${claims}.AA`), 401, alg);
    }
  });

  test("signed with a public key as a shared secret is rejected", async () => {
    const ownPem = createPublicKey(own).export({ type: "spki", format: "pem" }).toString();
    for (const [iss, pem] of [
      ["authmq", ownPem],
      ["partner", partner.publicPem],
      ["reseller", reseller.publicPem],
    ] as const) {
      for (const secret of [pem, pem.trimEnd()]) {
        const token = await craft({ ...header, alg: "HS256" }, ownClaims({ iss }), Buffer.from(secret));
        assert.equal(await present(token), 401, iss);
      }
    }
  });

  test("that contains a key or a critical extension is rejected", async () => {
    const jwk = await exportJWK(createPublicKey(own));
    for (const more of [
      { jwk },
      { jku: "https://example.com/jwks.json" },
      { x5u: "https://example.com/certificate.pem" },
      { x5c: ["MIIB"] },
      { crit: ["exp"], exp: 1 },
    ]) {
      assert.equal(await presentSigned({}, more), 401, Object.keys(more).join());
    }
  });

  test("of another type is rejected", async () => {
    for (const typ of ["id+jwt", "JWT", "at", "application/at+jwt; x=y", "at+jwt ", 1, null, undefined]) {
      assert.equal(await presentSigned({}, { typ }), 401, String(typ));
    }
    assert.equal(await present(await worker.login("bobby", "correct horse")), 401, "an ID token");
  });

  test("without one of exp, iat, nbf, iss, sub and sid is rejected", async () => {
    for (const name of ["exp", "iat", "nbf", "iss", "sub", "sid"]) {
      assert.equal(await presentSigned({ [name]: undefined }), 401, name);
      assert.equal(await presentSigned({ [name]: null }), 401, name);
    }
  });

  test("whose times are not numbers or out of range is rejected", async () => {
    for (const name of ["exp", "iat", "nbf"]) {
      const wrong = [
        `"${secondsFromNow(60)}"`,
        "1e999",
        "-1e999",
        "-1e300",
        "true",
        "[9999999999]",
        '{"a":1}',
      ];
      for (const text of wrong) {
        const payload = JSON.stringify(ownClaims({ [name]: "HERE" })).replace('"HERE"', text);
        assert.equal(await present(await craft(header, payload, own)), 401, `${name} ${text}`);
      }
    }
  });

  test("is accepted within the leeway after its exp, and rejected later", async () => {
    assert.equal(await presentSigned({ exp: secondsFromNow(-5) }), 200);
    assert.equal(await presentSigned({ exp: secondsFromNow(-31) }), 401);
  });

  test("is accepted within the leeway before its nbf and iat, and rejected earlier", async () => {
    for (const name of ["nbf", "iat"]) {
      assert.equal(await presentSigned({ [name]: secondsFromNow(25) }), 200, name);
      assert.equal(await presentSigned({ [name]: secondsFromNow(300) }), 401, name);
    }
  });

  test("with an invalid user, groups or payload is rejected", async () => {
    for (const changes of [{ user: "bob" }, { groups: "admin" }, { groups: [1] }, { groups: undefined }]) {
      assert.equal(await presentSigned(changes), 401, JSON.stringify(changes));
    }
    for (const payload of ["[]", "null", "7", '"text"', "{", ""]) {
      assert.equal(await present(await craft(header, payload, own)), 401, payload);
    }
  });

  test("that is not a string is 400, and a missing or malformed one is 401", async () => {
    for (const token of [1, true, {}, ["a.b.c"]]) assert.equal(await present(token), 400);
    for (const token of ["", ".", "..", "a.b.c", null, undefined]) assert.equal(await present(token), 401);
  });
});
