import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseConfig } from "../../src/config/load.ts";
import { createTokens, type Tokens } from "../../src/tokens/tokens.ts";
import { connectKeyed } from "../support/keyed-caller.ts";
import { timeFromNow, newKey, type RingKey } from "../support/key-ring.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { dataOf } from "../support/replies.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";
import { accessClaims, craft, decodePart } from "./craft.ts";

const PASSWORD = "correct horse battery";
const HOUR = 3_600_000;

interface Ring {
  readonly active: RingKey;
  readonly next?: RingKey;
  readonly retiring?: readonly (RingKey & { readonly until: string })[];
}

function configOf(keys: Ring, creation: object = {}) {
  const jwt_creation = { issuer: "authmq", signmethod: "EdDSA", keys, ...creation };
  return parseConfig({ jwt_creation }, { keys: true, env: {}, folder: scratchFolder });
}

function tokensOf(keys: Ring): Promise<Tokens> {
  const { signing, issuers } = configOf(keys);
  return createTokens(signing!, issuers);
}

/** Tokens signed by a key while it is the active one. */
async function signedBy(key: RingKey): Promise<{ access: string; id: string }> {
  const { issuer } = await tokensOf({ active: key });
  const subject = { username: "alice", groups: [] };
  const validUntil = new Date(Date.now() + HOUR);
  return {
    access: issuer.signAccessToken(subject, { grant: { sid: 1n }, vhost: "prod", lifetime: 3600 }),
    id: issuer.signIdToken(subject, { tokenId: 1n, ip: "*", issuedAt: new Date(), validUntil }).text,
  };
}

describe("a token", () => {
  for (const alg of ["EdDSA", "ES256", "RS256", "HS256"] as const) {
    test(`of ${alg} is accepted by a key ring with its key in any place`, async () => {
      const [key, other] = [newKey(alg), newKey("ES384")];
      const { access, id } = await signedBy(key);
      for (const ring of [
        { active: key, next: other },
        { active: other, next: key },
        { active: other, retiring: [{ ...key, until: timeFromNow(HOUR) }] },
      ]) {
        const { validator } = await tokensOf(ring);
        assert.equal(validator.verifyAccessToken(access)?.username, "alice");
        assert.equal(validator.verifyIdToken(id)?.tokenId, 1n);
        assert.equal(validator.verifyToken(access)?.typ, "at+jwt");
      }
      for (const ring of [
        { active: other },
        { active: other, next: newKey(alg) },
        { active: other, retiring: [{ ...key, until: timeFromNow(-1) }] },
      ]) {
        const { validator } = await tokensOf(ring);
        assert.equal(validator.verifyAccessToken(access), undefined);
        assert.equal(validator.verifyIdToken(id), undefined);
        assert.equal(validator.verifyToken(access), undefined);
        assert.equal(validator.verifyToken(id), undefined);
      }
    });
  }

  test("that was accepted is rejected once its key has retired", async () => {
    const [key, other] = [newKey(), newKey()];
    const { access, id } = await signedBy(key);
    const until = timeFromNow(800);
    const { validator, jwks } = await tokensOf({ active: other, retiring: [{ ...key, until }] });
    assert.notEqual(validator.verifyAccessToken(access), undefined);
    assert.notEqual(validator.verifyIdToken(id), undefined);
    assert.equal(jwks().keys.length, 2);
    await waitUntil("the end of the key", () => Date.now() >= Date.parse(until), { seconds: 5 });
    assert.equal(validator.verifyAccessToken(access), undefined);
    assert.equal(validator.verifyIdToken(id), undefined);
    assert.equal(validator.verifyToken(access), undefined);
    assert.equal(jwks().keys.length, 1);
  });

  test("of a wrong key is rejected, whatever algorithms and ids the key ring has", async () => {
    const [rsa, ec, shared] = [newKey("RS256"), newKey("ES256"), newKey("HS256")];
    const { validator, jwks } = await tokensOf({
      active: rsa,
      next: ec,
      retiring: [{ ...shared, until: timeFromNow(HOUR) }],
    });
    const forger = configOf({ active: newKey("ES256"), next: newKey("RS256") });
    const kids = jwks().keys.map(({ kid }) => kid);
    const [publicRsa, publicEc] = configOf({ active: rsa, next: ec }).issuers[0]!.keys.map(({ key }) =>
      Buffer.from(key.export({ type: "spki", format: "pem" }).toString()),
    );
    const { key: own } = configOf({ active: rsa }).signing!;
    const claims = accessClaims({ sid: "1" });
    for (const kid of [undefined, ...kids]) {
      const header = (alg: string) => ({ alg, typ: "at+jwt", ...(kid === undefined ? {} : { kid }) });
      const forged = [
        await craft(header("ES256"), claims, forger.signing!.key),
        await craft(header("RS256"), claims, forger.signing!.reserve[0]!.key),
        // Another algorithm of the same key type, and HMAC with a public key.
        await craft(header("PS256"), claims, own),
        await craft(header("RS512"), claims, own),
        await craft(header("HS256"), claims, publicRsa!),
        await craft(header("HS256"), claims, publicEc!),
      ];
      for (const token of forged) {
        assert.equal(validator.verifyAccessToken(token), undefined, JSON.stringify(decodePart(token, 0)));
        assert.equal(validator.verifyToken(token), undefined);
      }
      // `kid` is for other verifiers; the worker ignores it.
      const good = await craft(header("RS256"), claims, own);
      assert.equal(validator.verifyAccessToken(good)?.username, "alice");
    }
  });
});

describe("the published keys", () => {
  test("are the active, next and retiring ones, without private members, and not the retired ones", async () => {
    const { jwks, issuer } = await tokensOf({
      active: newKey("RS256"),
      next: newKey("EdDSA"),
      retiring: [
        { ...newKey("ES256"), until: timeFromNow(HOUR) },
        { ...newKey("ES384"), until: timeFromNow(-1) },
      ],
    });
    const { keys } = jwks();
    assert.deepEqual(
      keys.map(({ alg, kty, use }) => [alg, kty, use]),
      [
        ["RS256", "RSA", "sig"],
        ["EdDSA", "OKP", "sig"],
        ["ES256", "EC", "sig"],
      ],
    );
    assert.equal(new Set(keys.map(({ kid }) => kid)).size, 3);
    for (const key of keys)
      for (const member of ["d", "p", "q", "dp", "dq", "qi", "k"]) assert.ok(!(member in key), member);
    const token = issuer.signAccessToken(
      { username: "alice", groups: [] },
      { grant: { sid: 1n }, vhost: "prod", lifetime: 60 },
    );
    assert.equal(decodePart(token, 0)["kid"], keys[0]?.kid);
  });

  test("contain no shared secret", async () => {
    const [shared, other] = [newKey("HS256"), newKey("HS512")];
    assert.deepEqual((await tokensOf({ active: shared, next: other })).jwks(), { keys: [] });
    const { jwks } = await tokensOf({
      active: newKey(),
      retiring: [{ ...shared, until: timeFromNow(HOUR) }],
    });
    assert.deepEqual(
      jwks().keys.map(({ alg }) => alg),
      ["EdDSA"],
    );
  });
});

/** Algorithms of the active key before and after a rotation. */
const ROTATIONS = [
  ["EdDSA", "EdDSA"],
  ["EdDSA", "ES256"],
  ["HS256", "EdDSA"],
  ["HS256", "HS512"],
  ["ES256", "HS256"],
] as const;

for (const [first, second] of ROTATIONS) {
  test(`a replayed login after a rotation from ${first} to ${second} returns the same, valid token`, async () => {
    const [before, after] = [newKey(first), newKey(second)];
    const fingerprint_key = materialOf(before);
    const creation = (keys: Ring, signmethod: string): object => ({ keys, signmethod, fingerprint_key });
    await using worker = await startWorker({
      config: { jwt_creation: { ...creation({ active: before, next: after }, first), secret: undefined } },
    });
    await worker.addUser("alice", PASSWORD);
    await using caller = await connectKeyed(worker);
    const login = async (): Promise<string> => {
      const reply = await caller.call("one", "login", { username: "alice", password: PASSWORD });
      return dataOf(reply)["id_token"] as string;
    };
    const token = await login();
    const retiring = [{ ...before, until: timeFromNow(HOUR) }];
    await worker.worker.useKeys(
      configOf({ active: after, retiring }, creation({ active: after, retiring }, second)),
    );
    const again = await login();
    // ECDSA signatures are not deterministic.
    if (first === "ES256") assert.deepEqual(decodePart(again, 1), decodePart(token, 1));
    else assert.equal(again, token);
    assert.equal(decodePart(again, 0)["alg"], first);
    const { access_token } = dataOf(await worker.call("token", { id_token: again }));
    assert.equal(decodePart(String(access_token), 0)["alg"], second);
    assert.equal(decodePart(await worker.login("alice", PASSWORD), 0)["alg"], second);
  });
}

test("digests survive a rotation if fingerprint_key is set, and change otherwise", async () => {
  const [before, after] = [newKey(), newKey()];
  const fingerprint_key = materialOf(before);
  const digest = async (keys: Ring, creation: object = {}): Promise<string> => {
    const { signing, issuers } = configOf(keys, creation);
    const { fingerprints } = await createTokens(signing!, issuers);
    return fingerprints.of("request", "a", "b").toString("hex");
  };
  const first = await digest({ active: before });
  assert.equal(await digest({ active: after }, { fingerprint_key }), first);
  assert.notEqual(await digest({ active: after }), first);
});

test("failed logins are still counted after a rotation", async () => {
  const [before, after] = [newKey(), newKey()];
  const fingerprint_key = materialOf(before);
  const secret = undefined;
  await using worker = await startWorker({
    config: {
      jwt_creation: { secret, keys: { active: before, next: after } },
      app_config: { login_throttle: { free_failures: 2, max_failures: 2 } },
    },
  });
  await worker.addUser("alice", PASSWORD);
  const guess = async (): Promise<number> =>
    (await worker.call("login", { username: "alice", password: "wrong" })).resp_code;
  assert.equal(await guess(), 401);
  await worker.worker.useKeys(configOf({ active: after }, { fingerprint_key }));
  assert.deepEqual([await guess(), await guess()], [401, 429]);
  await worker.worker.useKeys(configOf({ active: after }));
  assert.equal(await guess(), 401, "without fingerprint_key the count starts again");
});

/** A key without its algorithm, as `fingerprint_key` needs none. */
function materialOf({ type, value }: RingKey): object {
  return { type, value };
}
