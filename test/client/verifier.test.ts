import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { calculateJwkThumbprint, exportJWK, type JWK } from "jose";
import {
  createVerifier,
  type KeySource,
  TokenError,
  type VerifiedToken,
  type VerifierOptions,
} from "../../src/client/index.ts";
import { generateSecret } from "../../src/config/generate-key.ts";
import { readSigningKey } from "../../src/config/keys.ts";
import { SIGN_METHODS } from "../../src/config/sections/jwt.ts";
import { startWorker } from "../support/worker.ts";
import { newEc, newEd25519, newRsa, pemOf } from "../security/forge.ts";
import { accessClaims, craft, secondsFromNow } from "../tokens/craft.ts";

const own = newEd25519();
const header = { alg: "EdDSA", typ: "at+jwt" };
const token = (changes: Record<string, unknown> = {}, more: object = {}): Promise<string> =>
  craft({ ...header, ...more }, accessClaims(changes), own.privateKey);

async function jwkOf(key: KeyObject, more: object = {}): Promise<JWK> {
  const jwk = await exportJWK(key);
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), use: "sig", ...more };
}

async function codeOf(verified: Promise<VerifiedToken>): Promise<string> {
  const outcome: unknown = await verified.catch((error: unknown) => error);
  if (!(outcome instanceof Error)) return "ok";
  assert.ok(outcome instanceof TokenError, String(outcome));
  return outcome.code;
}

test("a worker's token is verified with its public key in every format", async () => {
  await using worker = await startWorker();
  await worker.addUser("alice", "correct horse", { groups: ["dev", "ops"] });
  const publicKey = createPublicKey(worker.config.signing!.key);
  const jwk = await jwkOf(publicKey, { alg: "EdDSA" });
  const text = await worker.ownToken("alice", "correct horse");
  const forms: Record<string, KeySource> = {
    PEM: { keys: pemOf(publicKey) },
    "a list of PEM": { keys: [pemOf(newRsa().publicKey), pemOf(publicKey)] },
    KeyObject: { keys: publicKey },
    JWK: { keys: [jwk] },
    "JWK Set": { jwks: { keys: [await jwkOf(newEd25519().publicKey), jwk] } },
    "a function": { jwks: async () => ({ keys: [jwk] }) },
  };
  for (const [form, source] of Object.entries(forms)) {
    const verifier = createVerifier({ issuer: "authmq", ...source });
    const { user, groups, vhost, issuedAt, expiresAt, claims } = await verifier.verify(text);
    assert.deepEqual({ user, groups, vhost }, { user: "alice", groups: ["dev", "ops"], vhost: "prod" }, form);
    assert.equal(expiresAt.getTime() - issuedAt.getTime(), 300_000);
    assert.equal(claims.iss, "authmq");
    assert.equal(typeof claims["jti"], "string");
  }
});

test("every signing algorithm is verified, and only with its own key", async () => {
  for (const alg of SIGN_METHODS) {
    const { secret, publicKey } = generateSecret(alg);
    const key = readSigningKey({ type: "plain", value: secret }, alg, ".");
    const text = await craft({ alg, typ: "at+jwt" }, accessClaims(), key);
    const source = publicKey === undefined ? { secret, algorithms: [alg] } : { keys: publicKey };
    assert.equal(await codeOf(createVerifier({ issuer: "authmq", ...source }).verify(text)), "ok", alg);
    const { secret: other, publicKey: otherPublic } = generateSecret(alg);
    const foreign = otherPublic === undefined ? { secret: other, algorithms: [alg] } : { keys: otherPublic };
    const verifier = createVerifier({ issuer: "authmq", ...foreign });
    assert.equal(await codeOf(verifier.verify(text)), "INVALID_TOKEN", alg);
  }
});

test("a missing group or another vhost is FORBIDDEN, and an invalid token is reported first", async () => {
  const { verify } = createVerifier({ issuer: "authmq", keys: own.publicKey });
  const good = await token({ groups: ["dev", "ops"] });
  const demands = [
    [{ groups: { anyOf: ["admin", "dev"] } }, "ok"],
    [{ groups: { anyOf: ["admin", "Dev"] } }, "FORBIDDEN"],
    [{ groups: { anyOf: [] } }, "FORBIDDEN"],
    [{ groups: { allOf: ["dev", "ops"] } }, "ok"],
    [{ groups: { allOf: ["dev", "admin"] } }, "FORBIDDEN"],
    [{ groups: { allOf: [] } }, "ok"],
    [{ groups: { anyOf: ["dev"], allOf: ["admin"] } }, "FORBIDDEN"],
    [{ vhost: "prod" }, "ok"],
    [{ vhost: "stage" }, "FORBIDDEN"],
  ] as const;
  for (const [wanted, code] of demands)
    assert.equal(await codeOf(verify(good, wanted)), code, JSON.stringify(wanted));
  assert.equal(
    await codeOf(verify(await token({ exp: 0 }), { groups: { anyOf: ["admin"] } })),
    "INVALID_TOKEN",
  );
  assert.equal(await codeOf(verify(await token({ vhost: undefined }), { vhost: "prod" })), "FORBIDDEN");
  const stage = createVerifier({ issuer: "authmq", keys: own.publicKey, vhost: "stage" });
  assert.equal(await codeOf(stage.verify(good)), "FORBIDDEN");
  await assert.rejects(stage.verify(good), { respCode: 403, name: "TokenError" });
  await assert.rejects(stage.verify(undefined), { respCode: 401, message: /it is missing/ });
});

test("verify rejects unknown or invalid requirements", async () => {
  const { verify } = createVerifier({ issuer: "authmq", keys: own.publicKey });
  const good = await token({ groups: ["dev"] });
  const wrong = {
    groups: [{ groups: ["dev"] }, { groups: [] }, { groups: "dev" }, { groups: null }],
    "groups.any": [{ groups: { any: ["dev"] } }],
    "groups.anyOf": [{ groups: { anyOf: "dev" } }],
    "groups.allOf[0]": [{ groups: { allOf: [1] } }],
    group: [{ group: "dev" }],
    anyOf: [{ anyOf: ["dev"] }],
    vhost: [{ vhost: 1 }, { vhost: "" }],
    amr: [{ amr: ["mfa"] }, { amr: "mfa" }, { amr: null }],
    "amr.oneOf": [{ amr: { oneOf: ["mfa"] } }],
    "amr.allOf[0]": [{ amr: { allOf: [""] } }],
    maxAge: [
      { maxAge: -1 },
      { maxAge: "60" },
      { maxAge: Number.NaN },
      { maxAge: Infinity },
      { maxAge: null },
    ],
    max_age: [{ max_age: 60 }],
    options: [null, ["dev"], "dev", 1],
  };
  for (const [name, demands] of Object.entries(wrong))
    for (const wanted of demands)
      await assert.rejects(verify(good, wanted as object), (error: Error) => {
        assert.ok(error instanceof TypeError && error.message.startsWith(`verify: ${name} `), String(error));
        return true;
      });
});

test("a configured audience must be in the token", async () => {
  const { verify } = createVerifier({ issuer: "authmq", keys: own.publicKey, audience: "services" });
  assert.equal(await codeOf(verify(await token({ aud: "services" }))), "ok");
  assert.equal(await codeOf(verify(await token({ aud: ["others", "services"] }))), "ok");
  for (const aud of [undefined, "others", [], ["others"], "Services"])
    assert.equal(await codeOf(verify(await token({ aud }))), "INVALID_TOKEN", String(aud));
});

test("clocks may differ by 30 seconds, or by clockTolerance", async () => {
  const usual = createVerifier({ issuer: "authmq", keys: own.publicKey });
  const strict = createVerifier({ issuer: "authmq", keys: own.publicKey, clockTolerance: 0 });
  const late = await token({ exp: secondsFromNow(-5) });
  const early = await token({ nbf: secondsFromNow(20), iat: secondsFromNow(20) });
  for (const text of [late, early]) {
    assert.equal(await codeOf(usual.verify(text)), "ok");
    assert.equal(await codeOf(strict.verify(text)), "INVALID_TOKEN");
  }
  assert.equal(await codeOf(usual.verify(await token({ exp: secondsFromNow(-40) }))), "INVALID_TOKEN");
});

test("a missing, malformed, too long or other token is rejected, and the error does not contain it", async () => {
  const { verify } = createVerifier({ issuer: "authmq", keys: own.publicKey });
  const long = await token({ more: "x".repeat(32_768) });
  const id = await token({}, { typ: "id+jwt" });
  for (const text of [undefined, "", "a.b.c", null, 7, { token: id }, id, long, `${await token()} `]) {
    const error: unknown = await verify(text as string).catch((reason: unknown) => reason);
    assert.ok(error instanceof TokenError, "another error");
    assert.equal(error.code, "INVALID_TOKEN");
    const isQuoted = typeof text === "string" && text !== "" && error.message.includes(text);
    assert.ok(!isQuoted, "the message contains the token");
  }
});

test("createVerifier rejects unusable keys, private keys and wrong algorithms", async () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const k1 = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
  const bad: Record<string, object> = {
    "no keys": { keys: [] },
    "a text": { keys: "ssh-ed25519 AAAA" },
    "a private PEM": { keys: own.privateKey.export({ type: "pkcs8", format: "pem" }).toString() },
    "a private key": { keys: own.privateKey },
    "a private JWK": { keys: own.privateKey.export({ format: "jwk" }) },
    "a private JWK in a set": { jwks: { keys: [own.privateKey.export({ format: "jwk" })] } },
    "a secret as JWK": { keys: [{ kty: "oct", k: "AAAA" }] },
    "a short RSA key": { keys: rsa.publicKey },
    "another curve": { keys: k1.publicKey },
    "HS256 with a public key": { keys: own.publicKey, algorithms: ["HS256"] },
    "HS256 beside EdDSA": { keys: own.publicKey, algorithms: ["EdDSA", "HS256"] },
    "none with a public key": { keys: own.publicKey, algorithms: ["none"] },
    "no algorithm at all": { keys: own.publicKey, algorithms: [] },
    "a secret without algorithms": { secret: randomBytes(64) },
    "a secret with EdDSA": { secret: randomBytes(64), algorithms: ["EdDSA"] },
    "a short secret": { secret: randomBytes(31), algorithms: ["HS256"] },
    "a public key as a secret": { secret: pemOf(newRsa().publicKey), algorithms: ["HS256"] },
  };
  for (const [what, source] of Object.entries(bad)) {
    const options = { issuer: "authmq", ...source } as VerifierOptions;
    assert.throws(() => createVerifier(options), TypeError, what);
  }
});

test("a JWK verifies only its own algorithm, and a key in a set only tokens with its key ID", async () => {
  const rsa = newRsa();
  const [jwk, other] = [await jwkOf(rsa.publicKey, { alg: "RS256" }), await jwkOf(newRsa().publicKey)];
  const sign = (alg: string, more: object = {}): Promise<string> =>
    craft({ alg, typ: "at+jwt", ...more }, accessClaims(), rsa.privateKey);
  for (const source of [{ keys: [jwk] }, { jwks: { keys: [jwk] } }]) {
    const { verify } = createVerifier({ issuer: "authmq", ...source });
    assert.equal(await codeOf(verify(await sign("RS256"))), "ok");
    assert.equal(await codeOf(verify(await sign("RS384"))), "INVALID_TOKEN");
    assert.equal(await codeOf(verify(await sign("PS256"))), "INVALID_TOKEN");
  }
  const { verify } = createVerifier({ issuer: "authmq", jwks: { keys: [other, jwk] } });
  assert.equal(await codeOf(verify(await sign("RS256", { kid: jwk.kid }))), "ok");
  assert.equal(await codeOf(verify(await sign("RS256"))), "ok", "without a key ID all keys are tried");
  assert.equal(await codeOf(verify(await sign("RS256", { kid: other.kid }))), "INVALID_TOKEN");
  assert.equal(await codeOf(verify(await sign("RS256", { kid: "unknown" }))), "INVALID_TOKEN");
  assert.equal(
    await codeOf(createVerifier({ issuer: "authmq", keys: newEc().publicKey }).verify(await sign("RS256"))),
    "INVALID_TOKEN",
  );
});

test("a JWK Set is fetched once for many tokens, and UNAVAILABLE if that fails", async () => {
  const jwk = await jwkOf(own.publicKey, { alg: "EdDSA" });
  let fetches = 0;
  let isServing = true;
  const server = createServer((_, response) => {
    fetches++;
    response.writeHead(isServing ? 200 : 500, { "content-type": "application/json" });
    response.end(JSON.stringify({ keys: [jwk] }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const jwks = `http://127.0.0.1:${(server.address() as AddressInfo).port}/.well-known/jwks.json`;
  const { verify } = createVerifier({ issuer: "authmq", jwks });
  assert.equal(fetches, 0);
  const texts = await Promise.all(Array.from({ length: 20 }, () => token({}, { kid: jwk.kid })));
  assert.deepEqual(new Set(await Promise.all(texts.map((text) => codeOf(verify(text))))), new Set(["ok"]));
  assert.equal(fetches, 1);
  // Forged key IDs must not cause repeated fetches.
  for (let turn = 0; turn < 5; turn++)
    assert.equal(await codeOf(verify(await token({}, { kid: `forged-${turn}` }))), "INVALID_TOKEN");
  assert.equal(fetches, 1);

  isServing = false;
  const later = createVerifier({ issuer: "authmq", jwks: new URL(jwks) });
  await assert.rejects(later.verify(texts[0]), { code: "UNAVAILABLE", respCode: 503 });
  isServing = true;
  assert.equal(await codeOf(later.verify(texts[0])), "ok");
  server.close();
  server.closeAllConnections();
  await once(server, "close");
  const away = createVerifier({
    issuer: "authmq",
    jwks: () => Promise.reject(new Error("the broker is away")),
  });
  await assert.rejects(away.verify(texts[0]), (error) => {
    assert.ok(error instanceof TokenError && error.cause instanceof Error, String(error));
    assert.deepEqual([error.code, error.cause.message], ["UNAVAILABLE", "the broker is away"]);
    return true;
  });
});

test("a jwks function that throws at once is UNAVAILABLE, and its timeout is no unhandled rejection", async (context) => {
  const timeout = new AbortController();
  context.mock.method(AbortSignal, "timeout", () => timeout.signal);
  const { verify } = createVerifier({
    issuer: "authmq",
    jwks: () => {
      throw new Error("not connected");
    },
  });
  await assert.rejects(verify(await token()), { name: "TokenError", code: "UNAVAILABLE" });
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  timeout.abort();
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", note);
  assert.deepEqual(unhandled, []);
});

test("a jwks function that never returns keys is UNAVAILABLE at its timeout", async (context) => {
  const timeout = new AbortController();
  context.mock.method(AbortSignal, "timeout", () => timeout.signal);
  const { promise: called, resolve: call } = Promise.withResolvers<void>();
  const { verify } = createVerifier({
    issuer: "authmq",
    jwks: () => {
      call();
      return new Promise<never>(() => undefined);
    },
  });
  const verified = assert.rejects(verify(await token()), (error) => {
    assert.ok(error instanceof TokenError && error.cause instanceof Error, String(error));
    assert.deepEqual([error.code, /within 10000 ms/.test(error.cause.message)], ["UNAVAILABLE", true]);
    return true;
  });
  await called;
  timeout.abort();
  await verified;
});
