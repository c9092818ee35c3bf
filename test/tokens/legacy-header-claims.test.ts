import assert from "node:assert/strict";
import { createPublicKey, createSecretKey, generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { createVerifier } from "../../src/client/index.ts";
import type { SigningConfig } from "../../src/config/issuers.ts";
import type { SignMethod } from "../../src/config/sections/jwt.ts";
import { AppError } from "../../src/errors.ts";
import { createIssuer } from "../../src/tokens/issuer.ts";
import { createValidator } from "../../src/tokens/validator.ts";
import { rsaIssuer, startOldVerifier } from "../support/old-verifier.ts";
import { accessClaims, craft, decodePart } from "./craft.ts";

const SECRET = "s".repeat(64);
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const METHODS = ["HS256", "HS512", "RS256", "RS512"] as const;
const SUBJECT = { username: "alice", groups: ["dev", "ops"] };
const ABOUT = { grant: { sid: 7n }, vhost: "prod", lifetime: 300 };

function signingWith(method: SignMethod, more: Partial<SigningConfig> = {}): SigningConfig {
  const key = method.startsWith("HS") ? createSecretKey(Buffer.from(SECRET)) : rsa.privateKey;
  const base = { method, key, issuer: "auth", audience: undefined, reserve: [], fingerprintKey: undefined };
  return { ...base, legacyHeaderClaims: true, ...more };
}

function validatorOf({ method, key, issuer }: SigningConfig) {
  const verification = key.type === "private" ? createPublicKey(key) : key;
  const keys = [{ key: verification, methods: [method], until: undefined }];
  return createValidator(signingWith(method), [{ name: issuer, keys, audience: undefined }]);
}

describe("legacy_header_claims", () => {
  for (const method of METHODS)
    test(`copies the claims into the header of ${method} access tokens, for services of py_auth_micro`, async () => {
      const signing = signingWith(method);
      const issuer = await createIssuer(signing);
      const token = issuer.signAccessToken(SUBJECT, ABOUT);
      const { kid, ...header } = decodePart(token, 0);
      const { iat, nbf, exp, ...claims } = decodePart(token, 1);
      assert.deepEqual(header, {
        alg: method,
        typ: "at+jwt",
        iss: "auth",
        aud: ["dev", "ops"],
        ...{ iat, nbf, exp },
        Type: "Access-Token",
        vhost: "prod",
      });
      assert.equal(typeof kid, method.startsWith("HS") ? "undefined" : "string");
      assert.equal(Object.hasOwn(claims, "aud"), false);
      const own = method.startsWith("HS")
        ? { methods: [method], secret: SECRET }
        : rsaIssuer([method], rsa.publicKey);
      await using old = startOldVerifier({ auth: own });
      assert.deepEqual(await old.verify(token), { user: "alice", groups: ["dev", "ops"], vhost: "prod" });
      // The verifiers of authmq read the payload, which is the same as without the option.
      assert.deepEqual(validatorOf(signing).verifyAccessToken(token)?.groups, ["dev", "ops"]);
      const source = method.startsWith("HS") ? { secret: SECRET } : { keys: rsa.publicKey };
      const verifier = createVerifier({ issuer: "auth", algorithms: [method], ...source });
      assert.deepEqual((await verifier.verify(token)).groups, ["dev", "ops"]);
    });

  test("a service of py_auth_micro rejects the same token without the option, and one with an audience", async () => {
    await using old = startOldVerifier({ auth: { methods: ["HS256"], secret: SECRET } });
    const plain = await createIssuer(signingWith("HS256", { legacyHeaderClaims: false }));
    assert.deepEqual(await old.verify(plain.signAccessToken(SUBJECT, ABOUT)), { error: "KeyError('iss')" });
    const audience = await createIssuer(signingWith("HS256", { audience: "shop" }));
    const verdict = await old.verify(audience.signAccessToken(SUBJECT, ABOUT));
    assert.deepEqual(verdict, { error: "ValueError('audience not expected')" });
  });

  test("ID tokens stay as they are", async () => {
    const issuer = await createIssuer(signingWith("HS256"));
    const times = { issuedAt: new Date(), validUntil: new Date(Date.now() + 60_000) };
    const { text } = issuer.signIdToken(SUBJECT, { tokenId: 7n, ip: "*", ...times });
    assert.deepEqual(Object.keys(decodePart(text, 0)), ["alg", "typ", "kid"]);
  });

  test("claims in a header give no rights: authmq and the verifier read the payload alone", async () => {
    const signing = signingWith("HS256");
    const header = {
      alg: "HS256",
      typ: "at+jwt",
      ...{ iss: "auth", aud: ["admin"], iat: 0, nbf: 0, exp: 9_999_999_999, vhost: "/" },
    };
    const claims = accessClaims({ iss: "auth", sid: "7", groups: ["dev"] });
    const key = createSecretKey(Buffer.from(SECRET));
    const token = await craft(header, claims, key);
    const verifier = createVerifier({ issuer: "auth", algorithms: ["HS256"], secret: SECRET });
    assert.deepEqual(validatorOf(signing).verifyAccessToken(token)?.groups, ["dev"]);
    const verified = await verifier.verify(token);
    assert.deepEqual([verified.groups, verified.vhost], [["dev"], "prod"]);
    // An access token of py_auth_micro has its claims in the header only.
    const old = await craft({ ...header, typ: "JWT", Type: "Access-Token" }, { user: "alice" }, key);
    const expired = await craft(header, { ...claims, exp: 1000 }, key);
    for (const other of [old, expired]) {
      assert.equal(validatorOf(signing).verifyAccessToken(other), undefined);
      await assert.rejects(verifier.verify(other));
    }
  });

  test("the limit of 32 KiB counts the copies", async () => {
    const groups = Array.from({ length: 1500 }, (_, index) => `group-${index}`);
    const how = (legacyHeaderClaims: boolean) => createIssuer(signingWith("HS256", { legacyHeaderClaims }));
    const without = (await how(false)).signAccessToken({ ...SUBJECT, groups }, ABOUT);
    assert.ok(without.length > 16_384 && without.length < 32_768, String(without.length));
    const issuer = await how(true);
    assert.throws(
      () => issuer.signAccessToken({ ...SUBJECT, groups }, ABOUT),
      (error) => error instanceof AppError && error.code === "TOKEN_TOO_LARGE",
    );
  });
});
