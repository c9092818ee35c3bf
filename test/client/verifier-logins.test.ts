import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { test } from "node:test";
import { createVerifier, TokenError, type VerifiedToken } from "../../src/client/index.ts";
import { newEd25519 } from "../security/forge.ts";
import { dataOf } from "../support/replies.ts";
import { startWorker } from "../support/worker.ts";
import { accessClaims, craft, secondsFromNow } from "../tokens/craft.ts";

const own = newEd25519();
const token = (changes: Record<string, unknown> = {}): Promise<string> =>
  craft({ alg: "EdDSA", typ: "at+jwt" }, accessClaims(changes), own.privateKey);

async function codeOf(verified: Promise<VerifiedToken>): Promise<string> {
  const outcome: unknown = await verified.catch((error: unknown) => error);
  if (!(outcome instanceof Error)) return "ok";
  assert.ok(outcome instanceof TokenError, String(outcome));
  return outcome.code;
}

const TOO_WEAK = "INSUFFICIENT_USER_AUTHENTICATION";

test("a login by other methods, or too long ago, is INSUFFICIENT_USER_AUTHENTICATION", async () => {
  const { verify } = createVerifier({ issuer: "authmq", keys: own.publicKey, clockTolerance: 0 });
  const strong = await token({ amr: ["pwd", "otp", "mfa"], auth_time: secondsFromNow(-600) });
  const plain = await token({ sid: undefined, api_key_id: "7" });
  const demands = [
    [{ amr: { anyOf: ["hwk", "otp"] } }, "ok", TOO_WEAK],
    [{ amr: { anyOf: ["hwk", "OTP"] } }, TOO_WEAK, TOO_WEAK],
    [{ amr: { anyOf: [] } }, TOO_WEAK, TOO_WEAK],
    [{ amr: { allOf: ["mfa", "pwd"] } }, "ok", TOO_WEAK],
    [{ amr: { allOf: ["mfa", "hwk"] } }, TOO_WEAK, TOO_WEAK],
    [{ amr: { allOf: [] } }, "ok", "ok"],
    [{ amr: { anyOf: ["mfa"], allOf: ["hwk"] } }, TOO_WEAK, TOO_WEAK],
    [{ maxAge: 700 }, "ok", TOO_WEAK],
    [{ maxAge: 500 }, TOO_WEAK, TOO_WEAK],
    [{ maxAge: 0 }, TOO_WEAK, TOO_WEAK],
    [{ maxAge: 700, amr: { anyOf: ["hwk"] } }, TOO_WEAK, TOO_WEAK],
    [{ maxAge: undefined, amr: undefined }, "ok", "ok"],
  ] as const;
  for (const [wanted, ofStrong, ofPlain] of demands)
    assert.deepEqual(
      [await codeOf(verify(strong, wanted)), await codeOf(verify(plain, wanted))],
      [ofStrong, ofPlain],
      JSON.stringify(wanted),
    );
  await assert.rejects(verify(plain, { maxAge: 9 }), {
    respCode: 401,
    name: "TokenError",
    message: /too old/,
  });
  const both = { groups: { anyOf: ["admin"] }, maxAge: 0 };
  assert.equal(await codeOf(verify(strong, both)), "FORBIDDEN", "a login does not help");
  const lenient = createVerifier({ issuer: "authmq", keys: own.publicKey });
  assert.equal(await codeOf(lenient.verify(strong, { maxAge: 620 })), "ok");
  assert.equal(
    await codeOf(lenient.verify(strong, { maxAge: 580 })),
    TOO_WEAK,
    "clockTolerance adds nothing",
  );
});

test("amr and authTime of the result are those of the login, and undefined for an API key", async () => {
  await using worker = await startWorker();
  await worker.addUser("alice", "correct horse", { groups: ["admin"] });
  const keys = createPublicKey(worker.config.signing!.key);
  const { verify } = createVerifier({ issuer: "authmq", keys });
  const began = Math.floor(Date.now() / 1000) * 1000;
  const access_token = await worker.ownToken("alice", "correct horse");
  const { amr, authTime } = await verify(access_token, { amr: { allOf: ["pwd"] }, maxAge: 60 });
  assert.deepEqual(amr, ["pwd"]);
  assert.ok(authTime !== undefined && authTime.getTime() >= began && authTime.getTime() <= Date.now());
  const request = { access_token, username: "alice", name: "of a test" };
  const { api_key } = dataOf(await worker.call("api_key_create", request));
  const reply = dataOf(await worker.call("token", { api_key }));
  const ofKey = await verify(String(reply["access_token"]));
  assert.deepEqual([ofKey.amr, ofKey.authTime], [undefined, undefined]);
});

test("an amr or auth_time of another type, as other issuers may write it, counts as absent", async () => {
  const { verify } = createVerifier({ issuer: "authmq", keys: own.publicKey });
  for (const claims of [{ amr: "pwd" }, { amr: [1] }, { amr: null }, { auth_time: "1" }, { auth_time: -1 }]) {
    const text = await token(claims);
    const verified = await verify(text);
    const [name = ""] = Object.keys(claims);
    assert.equal(verified.claims[name], undefined, JSON.stringify(claims));
    if (name === "amr") assert.equal(verified.amr, undefined);
    else assert.equal(verified.authTime, undefined);
    const wanted = name === "amr" ? { amr: { anyOf: ["pwd"] } } : { maxAge: 60 };
    assert.equal(await codeOf(verify(text, wanted)), TOO_WEAK, JSON.stringify(claims));
  }
});
