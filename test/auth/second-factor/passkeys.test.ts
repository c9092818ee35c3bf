import {
  type AuthenticationResponseJSON,
  type RegistrationResponseJSON,
  verifyRegistrationResponse,
} from "@simplewebauthn/server";
import assert from "node:assert/strict";
import { createSecretKey, generateKeyPairSync, randomBytes, X509Certificate } from "node:crypto";
import { describe, test } from "node:test";
import {
  challengeIn,
  creationOptions,
  digestOfCredential,
  requestOptions,
  userHandle,
  verifyCreation,
  verifyRequest,
} from "../../../src/auth/second-factor/passkeys.ts";
import type { PasskeyRow } from "../../../src/db/queries/factors.ts";
import { createChallenge } from "../../../src/tokens/challenge.ts";
import { createFingerprints } from "../../../src/tokens/fingerprint.ts";
import { makeAttestationChain } from "../../support/attestation-chain.ts";
import { Authenticator, type Creation, type Options, type Use } from "../../support/authenticator.ts";

const ORIGIN = "https://login.example.com";
const PARTY = {
  rp_id: "example.com",
  rp_name: "Example",
  origins: [ORIGIN, "https://example.com:8443"],
};
const FINGERPRINTS = createFingerprints(createSecretKey(randomBytes(32)));
const HANDLE = userHandle(FINGERPRINTS, "alice");
const OTHER_KEY = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

/** An enrolment up to its confirmation. */
async function enrol(how: Partial<Creation> = {}, device = new Authenticator()) {
  const challenge = createChallenge();
  const options = await creationOptions(PARTY, { username: "alice", handle: HANDLE, known: [] }, challenge);
  const credential = device.create(options, { origin: ORIGIN, ...how });
  return { device, options, challenge, credential };
}

const confirm = (credential: RegistrationResponseJSON, challenge: string) =>
  verifyCreation(PARTY, credential, { challenge, handle: HANDLE });

/** An enrolled passkey, as the database has it. */
async function enrolled(how: Partial<Creation> = {}, device?: Authenticator) {
  const begun = await enrol(how, device);
  const verified = await confirm(begun.credential, begun.challenge);
  assert.ok(verified !== undefined, "the passkey was not enrolled");
  const row: PasskeyRow = { id: 1n, username: "alice", ...verified };
  return { ...begun, row };
}

/** The result of a login with a passkey, after these changes to it. */
async function use(
  { device, row }: { device: Authenticator; row: PasskeyRow },
  how: Partial<Use> = {},
  {
    isAlone = false,
    expected,
    change = (answer) => answer,
  }: {
    isAlone?: boolean;
    expected?: string;
    change?: (answer: AuthenticationResponseJSON) => AuthenticationResponseJSON;
  } = {},
) {
  const challenge = createChallenge();
  const options: Options = await requestOptions(PARTY, challenge, isAlone ? undefined : [row.passkey]);
  const answer = change(device.get(options, { origin: ORIGIN, ...how }));
  return verifyRequest(PARTY, answer, row, { challenge: expected ?? challenge, isAlone });
}

const inResponse =
  (changes: object) =>
  <A extends { response: object }>(answer: A): A => ({
    ...answer,
    response: { ...answer.response, ...changes },
  });

/** What both ceremonies must reject. */
const FALSIFIED: Readonly<Record<string, Partial<Creation & Use>>> = {
  "of another site": { origin: "https://example.org" },
  "of a site whose name ends like this one": { origin: "https://notexample.com" },
  "of a subdomain that is not listed": { origin: "https://blog.example.com" },
  "of the same host without TLS": { origin: "http://login.example.com" },
  "of another port": { origin: "https://login.example.com:444" },
  "of an origin with a slash": { origin: `${ORIGIN}/` },
  "without an origin": { origin: "" },
  "for another RP id": { rpId: "example.org" },
  "for a subdomain as RP id": { rpId: "login.example.com" },
  "for another challenge": { challenge: createChallenge() },
  "for a challenge with padding": { challenge: `${createChallenge()}=` },
  "without a challenge": { challenge: "" },
  "of a user who is not present": { present: false },
  "of a page in another site's frame": { crossOrigin: true, topOrigin: "https://example.org" },
  "of a page in a frame, without the outer site": { crossOrigin: true },
  "with flags that contradict each other": { eligible: false, backedUp: true },
};

describe("creation of passkeys", () => {
  test("the options name the site, the account and the known passkeys, and request no attestation", async () => {
    const { row } = await enrolled({ transports: ["usb", "nfc"] });
    const challenge = createChallenge();
    const options = await creationOptions(
      PARTY,
      { username: "alice", handle: HANDLE, known: [row.passkey] },
      challenge,
    );
    assert.deepEqual(
      { ...options, pubKeyCredParams: undefined, extensions: undefined, hints: undefined },
      {
        challenge,
        rp: { id: "example.com", name: "Example" },
        user: { id: HANDLE.toString("base64url"), name: "alice", displayName: "" },
        timeout: 300_000,
        attestation: "none",
        excludeCredentials: [{ id: row.passkey.id, type: "public-key", transports: ["usb", "nfc"] }],
        authenticatorSelection: {
          residentKey: "preferred",
          userVerification: "preferred",
          requireResidentKey: false,
        },
        pubKeyCredParams: undefined,
        extensions: undefined,
        hints: undefined,
      },
    );
    const offered = (options["pubKeyCredParams"] as { alg: number }[]).map(({ alg }) => alg);
    for (const alg of [-7, -8, -257]) assert.ok(offered.includes(alg), String(alg));
  });

  test("the user handle is one for all spellings of a name, reveals no name, and differs by account and key", () => {
    assert.deepEqual(userHandle(FINGERPRINTS, "ALICE"), HANDLE);
    assert.ok(HANDLE.length <= 64 && !HANDLE.includes("alice"));
    assert.notDeepEqual(userHandle(FINGERPRINTS, "alicf"), HANDLE);
    assert.notDeepEqual(userHandle(createFingerprints(createSecretKey(randomBytes(32))), "alice"), HANDLE);
  });

  for (const algorithm of ["ES256", "EdDSA", "RS256"] as const)
    test(`accepts a passkey with ${algorithm}, unattested or attested by itself`, async () => {
      for (const attestation of [undefined, "self"] as const) {
        const how = { algorithm, counter: 7, ...(attestation && { attestation }) };
        const { device, row } = await enrolled(how);
        assert.deepEqual([row.passkey.id, row.signCount], [device.ids[0], 7]);
        assert.deepEqual(
          [row.passkey.userHandle, row.passkey.transports],
          [HANDLE.toString("base64url"), ["internal"]],
        );
        assert.deepEqual(await use({ device, row }), { signCount: 8 });
      }
    });

  test("accepts each listed origin, a synchronized passkey, and a user who is not verified", async () => {
    await enrolled({ origin: "https://example.com:8443" });
    await enrolled({ eligible: true, backedUp: true });
    await enrolled({ eligible: true });
    await enrolled({ verified: false });
  });

  for (const [what, how] of Object.entries(FALSIFIED))
    test(`rejects a credential ${what}`, async () => {
      const { credential, challenge } = await enrol(how);
      assert.equal(await confirm(credential, challenge), undefined);
    });

  test("rejects the response of a login, and a type that is none", async () => {
    for (const type of ["webauthn.get", "payment.create", "", "WEBAUTHN.CREATE"]) {
      const { credential, challenge } = await enrol({ type });
      assert.equal(await confirm(credential, challenge), undefined, type);
    }
  });

  test("rejects an attestation by a certificate chain, although the chain is correct in itself", async () => {
    const chain = makeAttestationChain();
    const [leaf, ca] = chain.x5c.map((bytes) => new X509Certificate(bytes));
    assert.ok(leaf !== undefined && ca !== undefined && leaf.verify(ca.publicKey) && ca.verify(ca.publicKey));
    const { credential, challenge } = await enrol({ attestation: chain });
    const { verified } = await verifyRegistrationResponse({
      response: credential,
      expectedChallenge: challenge,
      expectedOrigin: ORIGIN,
      expectedRPID: PARTY.rp_id,
    });
    assert.ok(verified, "the library rejects it for another reason");
    assert.equal(await confirm(credential, challenge), undefined);
  });

  test("rejects an attestation by itself with the signature of another key", async () => {
    const { credential, challenge } = await enrol({ attestation: "self", signer: OTHER_KEY });
    assert.equal(await confirm(credential, challenge), undefined);
  });

  test("rejects attestation objects that are malformed, without an exception", async () => {
    const { credential } = await enrol();
    const whole = Buffer.from(credential.response.attestationObject, "base64url");
    const objects: Readonly<Record<string, Uint8Array>> = {
      nothing: Buffer.alloc(0),
      "a number": Buffer.from([7]),
      text: Buffer.from("not CBOR at all"),
      "an empty map": Buffer.from([0xa0]),
      "a map that claims 2^32 entries": Buffer.from([0xba, 0xff, 0xff, 0xff, 0xff]),
      "bytes that claim 2^63": Buffer.from([0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
      "an indefinite length": Buffer.from([0xbf, 0xff]),
      "lists in lists": Buffer.alloc(10_000, 0x81),
      "maps in maps": Buffer.alloc(10_000, 0xa1),
      "another format": replaced(whole, "none", "fido"),
      "no authenticator data": replaced(whole, "authData", "authDatb"),
      "more behind it": Buffer.concat([whole, Buffer.alloc(8)]),
      "12 KB of zeros": Buffer.alloc(12_000),
    };
    for (const [what, attestationObject] of Object.entries(objects)) {
      const { credential: changed, challenge } = await enrol({ attestationObject });
      const result = await confirm(changed, challenge);
      if (what !== "more behind it") assert.equal(result, undefined, what);
    }
  });

  test("a credential that is cut off anywhere is rejected, or its passkey never logs in", async () => {
    const { credential } = await enrol();
    const whole = Buffer.from(credential.response.attestationObject, "base64url");
    for (let end = 0; end < whole.length; end += 3) {
      const device = new Authenticator();
      const { options, challenge } = await enrol();
      const cut = device.create(options, { origin: ORIGIN });
      const object = Buffer.from(cut.response.attestationObject, "base64url").subarray(0, end);
      const changed = inResponse({ attestationObject: object.toString("base64url") })(cut);
      const verified = await confirm(changed, challenge);
      // The library's decoder accepts a byte string that ends early: here, the end of the public key is missing.
      if (verified === undefined) continue;
      const row: PasskeyRow = { id: 1n, username: "alice", ...verified };
      assert.equal(await use({ device, row }), undefined, `the first ${end} bytes`);
    }
  });

  test("rejects client data that is not JSON, and reads no challenge from it", async () => {
    for (const text of [
      "",
      "{",
      "null",
      "7",
      "[]",
      '"text"',
      "\uFEFF{}",
      "{}",
      '{"challenge":7}',
      '{"challenge":null}',
    ]) {
      const { credential, challenge } = await enrol();
      const changed = inResponse({ clientDataJSON: Buffer.from(text).toString("base64url") })(credential);
      assert.equal(await confirm(changed, challenge), undefined, text);
      assert.equal(challengeIn(changed), undefined, text);
    }
    const { credential, challenge } = await enrol();
    assert.equal(challengeIn(credential), challenge);
  });

  test("rejects a credential whose attested id is not the one that the page claims", async () => {
    const { credential, challenge } = await enrol();
    const id = randomBytes(32).toString("base64url");
    assert.equal(await confirm({ ...credential, id, rawId: id }, challenge), undefined);
    assert.equal(await confirm({ ...credential, rawId: id }, challenge), undefined);
    assert.notEqual(await confirm(credential, challenge), undefined);
  });

  test("accepts a credential id of 1023 bytes, the longest (WebAuthn Level 3 section 4)", async () => {
    const { row } = await enrolled({ credentialId: randomBytes(1023) });
    assert.equal(Buffer.from(row.passkey.id, "base64url").length, 1023);
    assert.equal(digestOfCredential(row.passkey.id).length, 32);
  });
});

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

function replaced(bytes: Buffer, text: string, by: string): Buffer {
  const at = bytes.indexOf(text);
  assert.notEqual(at, -1);
  const copy = Buffer.from(bytes);
  copy.write(by, at);
  return copy;
}
