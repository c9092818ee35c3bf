import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { describe, test } from "node:test";
import { timeFromNow, newKey, type RingKey } from "../support/key-ring.ts";
import { faultsOf, parse } from "./faults-of.ts";

const [active, next, retiring] = [newKey(), newKey("ES256"), newKey("HS256")];
const until = timeFromNow(3_600_000);

interface Ring {
  readonly active?: object;
  readonly next?: object;
  readonly retiring?: readonly object[];
}

function withRing(ring: Ring, creation: object = {}, more: object = {}): object {
  return {
    jwt_creation: { issuer: "authmq", signmethod: "EdDSA", keys: { active, ...ring }, ...creation },
    ...more,
  };
}

const faults = (raw: unknown) => faultsOf(raw, { keys: true });

/** The fields of a secret, without the algorithm. */
function material({ type, value }: RingKey): object {
  return { type, value };
}

function publicPem({ value }: RingKey): string {
  return createPublicKey(Buffer.from(value, "base64")).export({ type: "spki", format: "pem" }).toString();
}

describe("a key ring", () => {
  test("signs with the active key and verifies with all keys, each with its own algorithm", () => {
    const raw = withRing({ next, retiring: [{ ...retiring, until }] });
    const { signing, issuers } = parse(raw, { keys: true });
    assert.equal(signing?.method, "EdDSA");
    assert.deepEqual(
      signing.reserve.map(({ method, until: end }) => [method, end]),
      [
        ["ES256", undefined],
        ["HS256", new Date(until)],
      ],
    );
    assert.deepEqual(
      issuers.map(({ name, keys }) => [name, keys.map(({ methods, until: end }) => [methods, end])]),
      [
        [
          "authmq",
          [
            [["EdDSA"], undefined],
            [["ES256"], undefined],
            [["HS256"], new Date(until)],
          ],
        ],
      ],
    );
    const types = issuers[0]?.keys.map(({ key }) => key.type);
    assert.ok(types !== undefined && !types.includes("private"), String(types));
  });

  test("uses signmethod as the default algorithm", () => {
    const { signing } = parse(withRing({ active: material(active), next: material(newKey()) }), {
      keys: true,
    });
    assert.deepEqual([signing?.method, signing?.reserve[0]?.method], ["EdDSA", "EdDSA"]);
  });

  for (const [what, raw, path, msg] of [
    [
      "beside a secret",
      withRing({}, { secret: material(newKey()) }),
      "jwt_creation.secret",
      /move it to keys\.active/,
    ],
    [
      "that is missing, without a secret,",
      { jwt_creation: { issuer: "a", signmethod: "EdDSA" } },
      "jwt_creation.secret",
      /is missing: set the signing key here/,
    ],
    [
      "without an active key",
      { jwt_creation: { issuer: "a", signmethod: "EdDSA", keys: { next } } },
      "jwt_creation.keys.active",
      /is missing/,
    ],
    [
      "with the same key as active and next",
      withRing({ next: active }),
      "jwt_creation.keys",
      /same key twice/,
    ],
    [
      "with the same secret for two algorithms",
      withRing({ next: { ...retiring, signmethod: "HS512" }, retiring: [{ ...retiring, until }] }),
      "jwt_creation.keys.next",
      /HS512 needs at least 64/,
    ],
    [
      "with the same key as next and retiring",
      withRing({ next, retiring: [{ ...next, until }] }),
      "jwt_creation.keys",
      /same key twice/,
    ],
    [
      "whose active key is for another algorithm",
      withRing({ active: { ...active, signmethod: "RS256" } }),
      "jwt_creation.keys.active",
      /is ed25519; RS256 needs an RSA key/,
    ],
    [
      "whose next key is for another algorithm",
      withRing({ next: { ...next, signmethod: "ES384" } }),
      "jwt_creation.keys.next",
      /ES384 needs an EC key/,
    ],
    [
      "whose retiring key is for another algorithm",
      withRing({ retiring: [{ ...next, signmethod: "EdDSA", until }] }),
      "jwt_creation.keys.retiring.0",
      /EdDSA needs an Ed25519 key/,
    ],
    [
      "with an unknown algorithm",
      withRing({ next: { ...next, signmethod: "none" } }),
      "jwt_creation.keys.next.signmethod",
      /./,
    ],
    [
      "with a retiring key without until",
      withRing({ retiring: [{ ...next }] }),
      "jwt_creation.keys.retiring.0.until",
      /./,
    ],
    [
      "with an until that is not in UTC",
      withRing({ retiring: [{ ...next, until: "2026-11-26T12:00:00+01:00" }] }),
      "jwt_creation.keys.retiring.0.until",
      /ISO/,
    ],
    [
      "with an until that is not a date",
      withRing({ retiring: [{ ...next, until: "2026-02-30T12:00:00Z" }] }),
      "jwt_creation.keys.retiring.0.until",
      /ISO/,
    ],
    [
      "with an active key that has until",
      withRing({ active: { ...active, until } }),
      "jwt_creation.keys.active.until",
      /unknown key/,
    ],
    [
      "with a passphrase for a secret",
      withRing({ next: { ...newKey("HS256"), secret: "phrase" } }),
      "jwt_creation.keys.next.secret",
      /is a passphrase for a private key, but HS256 uses a shared secret/,
    ],
    [
      "with a missing key file",
      withRing({ next: { type: "keyfile", value: "nowhere.pem" } }),
      "jwt_creation.keys.next",
      /cannot read the key file/,
    ],
    [
      "with a fingerprint key that is too short",
      withRing({}, { fingerprint_key: { type: "plain", value: "short" } }),
      "jwt_creation.fingerprint_key",
      /has 5 bytes/,
    ],
    [
      "with a fingerprint key that is a public key",
      withRing({}, { fingerprint_key: { type: "plain", value: publicPem(active) } }),
      "jwt_creation.fingerprint_key",
      /cannot be read as a PEM private key/,
    ],
  ] as const) {
    test(`${what} is a fault`, () => {
      const found = faults(raw);
      assert.deepEqual(Object.keys(found), [path]);
      assert.match(found[path] ?? "", msg);
    });
  }

  test("reports all faults at once", () => {
    const raw = withRing(
      { active: { ...active, signmethod: "RS256" }, next: { ...next, signmethod: "EdDSA" } },
      { fingerprint_key: { type: "plain", value: "short" } },
    );
    assert.deepEqual(Object.keys(faults(raw)).toSorted(), [
      "jwt_creation.fingerprint_key",
      "jwt_creation.keys.active",
      "jwt_creation.keys.next",
    ]);
  });

  test("accepts a private key or a secret as fingerprint key", () => {
    for (const key of [material(active), material(retiring), { type: "plain", value: "x".repeat(32) }])
      assert.deepEqual(faults(withRing({ next }, { fingerprint_key: key })), {});
  });
});

describe("an own issuer that is listed in jwt_validation", () => {
  const listed = (key: RingKey, methods: readonly string[]): object => ({
    jwt_validation: [{ name: "authmq", secret: { type: "plain", value: publicPem(key) }, methods }],
  });

  test("has the other keys of the ring too", () => {
    const raw = withRing({ next, retiring: [{ ...retiring, until }] }, {}, listed(active, ["EdDSA"]));
    const { issuers } = parse(raw, { keys: true });
    assert.deepEqual(
      issuers.map(({ keys }) => keys.flatMap(({ methods }) => methods)),
      [["EdDSA", "ES256", "HS256"]],
    );
  });

  test("must have the active key", () => {
    const found = faults(withRing({ next }, {}, listed(next, ["ES256"])));
    assert.deepEqual(Object.keys(found), ["jwt_validation.0.secret"]);
    assert.match(found["jwt_validation.0.secret"] ?? "", /does not verify tokens of jwt_creation/);
  });
});
