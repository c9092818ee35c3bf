import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { createVerifier, TokenError } from "../../src/client/index.ts";
import { PROCEDURES } from "../../src/procedures/index.ts";
import { tokenFields } from "../../src/rpc/procedure.ts";
import { createTokens, type Tokens } from "../../src/tokens/tokens.ts";
import { pemOf } from "../security/forge.ts";
import { assertRefused, dataOf } from "../support/replies.ts";
import { secondFactors } from "../support/second-factor.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";
import { craft, decodePart, secondsFromNow, withSpareBits } from "./craft.ts";

const PASSWORD = "correct horse battery";
const DETAILS = {
  ip: "192.0.2.7",
  vhost: "prod",
  client: "Firefox on Linux",
  amr: ["pwd"],
  challenge: "c2Vjb25kIGZhY3Rvcg",
};

describe("a setup token", () => {
  let worker: TestWorker;
  let tokens: Tokens;
  let setup: string;
  before(async () => {
    worker = await startWorker({ config: secondFactors() });
    await worker.addUser("alice", PASSWORD, { groups: ["admin"] });
    tokens = await createTokens(worker.config.signing!, worker.config.issuers);
    setup = tokens.issuer.signSetupToken("alice", DETAILS);
  });
  after(() => worker[Symbol.asyncDispose]());

  /** A token of this installation with this payload and type. */
  const own = (payload: object, typ = "setup+jwt") => {
    const { key, method } = worker.config.signing!;
    return craft({ alg: method, typ }, { ...decodePart(setup, 1), ...payload }, key);
  };

  test("has the details of the login, and is valid for 15 minutes", () => {
    const { iat, nbf, exp, ...claims } = decodePart(setup, 1);
    const { challenge, ...login } = DETAILS;
    assert.deepEqual(claims, { iss: "authmq", sub: "alice", ...login, jti: challenge });
    assert.equal(decodePart(setup, 0)["typ"], "setup+jwt");
    assert.deepEqual([nbf, Number(exp) - Number(iat)], [iat, 15 * 60]);
  });

  test("is verified with all its details", () => {
    const issuedAt = new Date(Number(decodePart(setup, 1)["iat"]) * 1000);
    assert.deepEqual(tokens.validator.verifySetupToken(setup), { username: "alice", ...DETAILS, issuedAt });
    const without = tokens.issuer.signSetupToken("alice", { ...DETAILS, client: null });
    assert.equal(tokens.validator.verifySetupToken(without)?.client, null);
  });

  test("is not valid before its time, after it, or with a claim missing or of a wrong type", async () => {
    const { validator } = tokens;
    assert.ok(validator.verifySetupToken(await own({})) !== undefined);
    for (const payload of [
      { exp: secondsFromNow(-60) },
      { nbf: secondsFromNow(60) },
      { iss: "tests" },
      { sub: "" },
      ...["ip", "vhost", "amr", "jti", "exp", "iat", "nbf"].map((name) => ({ [name]: undefined })),
      { amr: "pwd" },
      { amr: [1] },
      { jti: "" },
      { client: 7 },
    ])
      assert.equal(validator.verifySetupToken(await own(payload)), undefined, JSON.stringify(payload));
    const old = tokens.issuer.signSetupToken("alice", {
      ...DETAILS,
      issuedAt: new Date(Date.now() - 16 * 60_000),
    });
    assert.equal(validator.verifySetupToken(old), undefined);
    for (const text of ["", "x", `${setup}x`, withSpareBits(setup), setup.slice(0, -4)])
      assert.equal(validator.verifySetupToken(text), undefined, text);
  });

  test("is issued by this installation only, whatever another trusted issuer signs", async () => {
    const { signing, issuers } = worker.config;
    const other = await createTokens({ ...signing!, issuer: "other" }, issuers);
    assert.equal(tokens.validator.verifySetupToken(other.issuer.signSetupToken("alice", DETAILS)), undefined);
    // Another installation that trusts this one as an issuer of access tokens
    const trusting = await createTokens({ ...signing!, issuer: "other" }, [
      ...issuers,
      { ...issuers.find(({ name }) => name === "authmq")!, name: "other" },
    ]);
    const { validator } = trusting;
    assert.equal(validator.verifySetupToken(setup), undefined);
    assert.equal(validator.verifyToken(setup), undefined);
    assert.notEqual(validator.verifySetupToken(trusting.issuer.signSetupToken("alice", DETAILS)), undefined);
  });

  test("is not an ID token, an access token or an API key for any queue", async () => {
    const { validator } = tokens;
    assert.equal(validator.verifyAccessToken(setup), undefined);
    assert.equal(validator.verifyIdToken(setup), undefined);
    assert.equal(validator.verifyToken(setup), undefined);
    for (const { name, access, example } of PROCEDURES)
      for (const field of tokenFields(access)) {
        if (field === "setup_token") continue;
        const request = { ...example.request, ip: DETAILS.ip, [field]: setup };
        assertRefused(await worker.call(name, request), 401, "INVALID_TOKEN");
      }
  });

  test("is inactive for introspect, from any address", async () => {
    for (const ip of ["*", DETAILS.ip])
      assert.deepEqual(dataOf(await worker.call("introspect", { token: setup, ip })), { active: false });
  });

  test("is rejected by the client's verifier, as a token of another type", async () => {
    const keys = pemOf(createPublicKey(worker.config.signing!.key));
    const verifier = createVerifier({ issuer: "authmq", keys });
    await assert.rejects(
      verifier.verify(setup),
      (error) => error instanceof TokenError && error.code === "INVALID_TOKEN" && /type/.test(error.message),
    );
  });

  test("is the only token that is accepted as one", async () => {
    const id_token = await worker.login("alice", PASSWORD);
    const { access_token } = dataOf(await worker.call("token", { id_token }));
    const broker = tokens.issuer.signBrokerToken("alice", {
      audience: "b",
      scopes: ["read:*"],
      lifetime: 60,
    });
    for (const token of [id_token, String(access_token), broker])
      assert.equal(tokens.validator.verifySetupToken(token), undefined);
    for (const typ of ["at+jwt", "id+jwt", "rabbitmq+jwt", "JWT", ""])
      assert.equal(tokens.validator.verifySetupToken(await own({}, typ)), undefined, typ);
  });
});
