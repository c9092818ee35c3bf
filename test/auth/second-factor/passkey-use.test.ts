import type { AuthenticationResponseJSON } from "@simplewebauthn/server";
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { requestOptions, userHandle } from "../../../src/auth/second-factor/passkeys.ts";
import { createChallenge } from "../../../src/tokens/challenge.ts";
import { Authenticator } from "../../support/authenticator.ts";
import { enrolled, FALSIFIED, FINGERPRINTS, inResponse, OTHER_KEY, PARTY, use } from "./passkey-fixture.ts";

describe("use of passkeys", () => {
  test("accepts a right answer as second factor and alone, with and without verification as second factor", async () => {
    const passkey = await enrolled();
    assert.deepEqual(await use(passkey), { signCount: 1 });
    assert.deepEqual(await use(passkey, { verified: false }), { signCount: 2 });
    assert.deepEqual(await use(passkey, { userHandle: null }), { signCount: 3 });
    assert.deepEqual(await use(passkey, {}, { isAlone: true }), { signCount: 4 });
    assert.deepEqual(await use(passkey, { origin: "https://example.com:8443" }), { signCount: 5 });
  });

  test("the options require verification and name no passkey if it is the only factor", async () => {
    const { row } = await enrolled();
    const alone = await requestOptions(PARTY, createChallenge());
    assert.deepEqual([alone["userVerification"], alone["allowCredentials"]], ["required", undefined]);
    const second = await requestOptions(PARTY, createChallenge(), [row.passkey]);
    assert.deepEqual(second["allowCredentials"], [
      { id: row.passkey.id, type: "public-key", transports: ["internal"] },
    ]);
    assert.equal(second["rpId"], "example.com");
  });

  for (const [what, how] of Object.entries(FALSIFIED))
    test(`rejects an answer ${what}`, async () => {
      const passkey = await enrolled();
      for (const isAlone of [false, true]) assert.equal(await use(passkey, how, { isAlone }), undefined);
      assert.notEqual(await use(passkey), undefined, "the passkey does not work at all");
    });

  test("rejects the response of an enrolment, and a type that is none", async () => {
    const passkey = await enrolled();
    for (const type of ["webauthn.create", "payment.get", ""])
      assert.equal(await use(passkey, { type }), undefined, type);
  });

  test("alone, rejects a user who is not verified, and a user handle that is missing or of another user", async () => {
    const passkey = await enrolled();
    const other = userHandle(FINGERPRINTS, "bobby").toString("base64url");
    for (const how of [{ verified: false }, { userHandle: null }, { userHandle: other }, { userHandle: "" }])
      assert.equal(await use(passkey, how, { isAlone: true }), undefined, JSON.stringify(how));
    assert.equal(await use(passkey, { userHandle: other }), undefined);
  });

  test("rejects a counter that is not higher than at the last use: the key was copied", async () => {
    const passkey = await enrolled({ counter: 10 });
    for (const counter of [10, 9, 1, 0])
      assert.equal(await use(passkey, { counter }), undefined, String(counter));
    assert.deepEqual(await use(passkey, { counter: 11 }), { signCount: 11 });
    assert.deepEqual(await use(passkey, { counter: 2 ** 32 - 1 }), { signCount: 2 ** 32 - 1 });
  });

  test("accepts 0 each time from a passkey that has no counter", async () => {
    const passkey = await enrolled({ eligible: true, backedUp: true }, new Authenticator({ counts: false }));
    for (let n = 0; n < 3; n++) assert.deepEqual(await use(passkey), { signCount: 0 });
  });

  test("rejects the signature of another key, of other data, and none", async () => {
    const passkey = await enrolled();
    assert.equal(await use(passkey, { signer: OTHER_KEY }), undefined);
    for (const signature of [
      "AA",
      "",
      Buffer.alloc(64).toString("base64url"),
      Buffer.alloc(12_000).toString("base64url"),
    ])
      assert.equal(
        await use(passkey, {}, { change: inResponse({ signature }) }),
        undefined,
        signature.slice(0, 9),
      );
    const flip = (answer: AuthenticationResponseJSON) => {
      const data = Buffer.from(answer.response.authenticatorData, "base64url");
      data.writeUInt32BE(1000, 33); // the counter
      return inResponse({ authenticatorData: data.toString("base64url") })(answer);
    };
    assert.equal(await use(passkey, {}, { change: flip }), undefined);
  });

  for (const [algorithm, other] of [
    ["EdDSA", "ed25519"],
    ["RS256", "rsa"],
  ] as const)
    test(`rejects the signature of another ${algorithm} key, and of a key of another kind`, async () => {
      const passkey = await enrolled({ algorithm });
      const { privateKey } =
        other === "rsa"
          ? generateKeyPairSync("rsa", { modulusLength: 2048 })
          : generateKeyPairSync("ed25519");
      assert.equal(await use(passkey, { signer: privateKey }), undefined);
      assert.notEqual(await use(passkey), undefined);
    });

  test("rejects the answer of another passkey, also under this one's id", async () => {
    const passkey = await enrolled();
    const other = await enrolled();
    const theirs = other.device.ids[0] ?? "";
    assert.equal(await use({ ...passkey, device: other.device }, { use: theirs }), undefined);
    assert.equal(
      await use({ ...passkey, device: other.device }, { use: theirs, id: passkey.row.passkey.id }),
      undefined,
    );
  });

  test("rejects a right answer to another challenge: a replay", async () => {
    const passkey = await enrolled();
    assert.equal(await use(passkey, {}, { expected: createChallenge() }), undefined);
  });

  test("rejects authenticator data that is malformed, without an exception", async () => {
    const passkey = await enrolled();
    for (const length of [0, 1, 32, 36, 38, 100, 12_000]) {
      const change = inResponse({ authenticatorData: Buffer.alloc(length).toString("base64url") });
      assert.equal(await use(passkey, {}, { change }), undefined, `${length} bytes`);
    }
  });
});
