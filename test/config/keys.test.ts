import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { generateSecret } from "../../src/config/generate-key.ts";
import { type SignMethod, SIGN_METHODS } from "../../src/config/sections/jwt.ts";
import type { Config } from "../../src/config/load.ts";
import { faultsOf, faultyPaths, parse } from "./faults-of.ts";

const folder = mkdtempSync(join(tmpdir(), "authmq-config-"));
after(() => rmSync(folder, { recursive: true }));

const ed25519 = generateSecret("EdDSA");
const rsa = generateSecret("RS256");
const ec = generateSecret("ES256");

type Secret = Readonly<Record<string, string>>;

const plain = (value = ""): Secret => ({ type: "plain", value });

function creation(signmethod: SignMethod, secret: Secret): Record<string, unknown> {
  return { jwt_creation: { issuer: "authmq", signmethod, secret } };
}

function sign(signmethod: SignMethod, secret: Secret): Config["signing"] {
  return parse(creation(signmethod, secret), { keys: true, folder }).signing;
}

describe("a secret", () => {
  const bytes = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 8));

  test("of type plain is the text itself", () => {
    assert.equal(
      sign("HS256", plain("ä".repeat(16)))
        ?.key.export()
        .toString(),
      "ä".repeat(16),
    );
    assert.equal(sign("EdDSA", plain(ed25519.secret))?.key.type, "private");
  });

  test("of type base64plain or base64key is base64 of a secret or a PEM", () => {
    for (const type of ["base64plain", "base64key"]) {
      const value = bytes.toString("base64");
      assert.deepEqual(sign("HS256", { type, value })?.key.export(), bytes);
      assert.deepEqual(
        sign("HS256", { type, value: `${value.slice(0, 20)}\n${value.slice(20)}\n` })?.key.export(),
        bytes,
      );
      const pem = Buffer.from(ed25519.secret).toString("base64");
      assert.equal(sign("EdDSA", { type, value: pem })?.key.asymmetricKeyType, "ed25519");
      const faults = faultsOf(creation("HS256", { type, value: "not*base64".repeat(8) }), { keys: true });
      assert.match(faults["jwt_creation.secret"] ?? "", /base64/);
    }
  });

  test("of type keyfile is the content of a file, without the newline at its end", () => {
    writeFileSync(join(folder, "key.pem"), ed25519.secret);
    writeFileSync(join(folder, "secret"), "s".repeat(32) + "\n");
    assert.equal(sign("EdDSA", { type: "keyfile", value: "key.pem" })?.key.type, "private");
    assert.equal(sign("HS256", { type: "keyfile", value: "secret" })?.key.symmetricKeySize, 32);
    const raw = creation("EdDSA", { type: "keyfile", value: "missing.pem" });
    assert.match(faultsOf(raw, { keys: true, folder })["jwt_creation.secret"] ?? "", /cannot read/);
  });

  test("of an encrypted key needs the right passphrase", () => {
    const value = createPrivateKey(ed25519.secret)
      .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "open sesame" })
      .toString();
    assert.equal(sign("EdDSA", { type: "plain", value, secret: "open sesame" })?.key.type, "private");
    for (const wrong of [plain(value), { ...plain(value), secret: "open" }]) {
      assert.deepEqual(faultyPaths(creation("EdDSA", wrong), { keys: true }), ["jwt_creation.secret"]);
    }
  });

  test("generated for an algorithm works with it", () => {
    for (const method of SIGN_METHODS) {
      const { secret } = generateSecret(method);
      const type = method.startsWith("HS") ? "base64plain" : "plain";
      assert.equal(sign(method, { type, value: secret })?.method, method);
    }
  });

  test("shorter than the hash is a fault that names the required length", () => {
    for (const [method, length] of [
      ["HS256", 32],
      ["HS384", 48],
      ["HS512", 64],
    ] as const) {
      assert.equal(sign(method, plain("s".repeat(length)))?.method, method);
      const faults = faultsOf(creation(method, plain("s".repeat(length - 1))), { keys: true });
      assert.match(
        faults["jwt_creation.secret"] ?? "",
        new RegExp(`${length - 1} bytes.*at least ${length}\\b`),
      );
    }
  });

  test("that does not fit the algorithm is a fault", () => {
    const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
    const weakPem = weak.export({ type: "pkcs8", format: "pem" }).toString();
    const unfit: [SignMethod, Secret][] = [
      ["RS256", plain(ec.secret)],
      ["RS256", plain(weakPem)],
      ["PS512", plain(ed25519.secret)],
      ["ES256", plain(rsa.secret)],
      ["ES384", plain(ec.secret)],
      ["EdDSA", plain(ec.secret)],
      ["EdDSA", plain(ed25519.publicKey)],
      ["EdDSA", plain("s".repeat(32))],
      ["HS256", plain(ed25519.secret)],
      ["HS256", plain(rsa.publicKey)],
      ["RS256", plain(rsa.secret.replaceAll("A", "B"))],
    ];
    for (const [method, secret] of unfit) {
      const paths = faultyPaths(creation(method, secret), { keys: true });
      assert.deepEqual(paths, ["jwt_creation.secret"], method);
    }
  });

  test("is not read by commands that need no key", () => {
    assert.equal(parse(creation("EdDSA", plain("no key")), { keys: false }).signing, undefined);
  });
});

test("a missing signing key is a fault that names authmq init", () => {
  assert.match(faultsOf({}, { keys: true })["jwt_creation"] ?? "", /authmq init/);
});

describe("the issuers of jwt_validation", () => {
  const own = creation("EdDSA", plain(ed25519.secret));
  const issuer = (name: string, secret: Secret, methods: string[]) => ({ name, secret, methods });
  const withIssuers = (...jwt_validation: object[]) => ({ ...own, jwt_validation });

  test("need not include this installation", () => {
    const raw = withIssuers(issuer("partner", plain(ec.publicKey), ["ES256"]));
    const { issuers } = parse(raw, { keys: true });
    assert.deepEqual(
      issuers.map(({ name, keys }) => [name, keys[0]?.methods]),
      [
        ["partner", ["ES256"]],
        ["authmq", ["EdDSA"]],
      ],
    );
  });

  test("may include this installation with its public key", () => {
    const raw = withIssuers(issuer("authmq", plain(ed25519.publicKey), ["EdDSA"]));
    assert.equal(parse(raw, { keys: true }).issuers.length, 1);
  });

  test("must not include this installation with another key, or without its algorithm", () => {
    const other = withIssuers(issuer("authmq", plain(ec.publicKey), ["ES256"]));
    assert.deepEqual(faultyPaths(other, { keys: true }), ["jwt_validation.0.secret"]);
    const rsaOwn = {
      ...creation("RS256", plain(rsa.secret)),
      jwt_validation: [issuer("authmq", plain(rsa.publicKey), ["PS256"])],
    };
    assert.deepEqual(faultyPaths(rsaOwn, { keys: true }), ["jwt_validation.0.methods"]);
  });

  test("are checked one by one: a wrong key does not affect the next issuer", () => {
    const raw = withIssuers(
      issuer("authmq", plain(ec.publicKey), ["ES256"]),
      issuer("partner", plain(rsa.publicKey), ["RS256"]),
    );
    assert.deepEqual(faultyPaths(raw, { keys: true }), ["jwt_validation.0.secret"]);
  });

  test("must not use one key for shared secrets and signatures", () => {
    for (const value of [rsa.publicKey, "s".repeat(64)]) {
      const raw = withIssuers(issuer("partner", plain(value), ["RS256", "HS256"]));
      assert.deepEqual(faultyPaths(raw, { keys: true }), ["jwt_validation.0.secret"]);
    }
  });

  test("require a key that fits all their methods", () => {
    const raw = withIssuers(
      issuer("first", plain(ec.publicKey), ["ES256", "ES384"]),
      issuer("second", plain("s".repeat(32)), ["HS256", "HS512"]),
      issuer("third", plain(rsa.publicKey), ["RS256", "PS512"]),
    );
    assert.deepEqual(faultyPaths(raw, { keys: true }), [
      "jwt_validation.0.secret",
      "jwt_validation.1.secret",
    ]);
  });

  test("must not be listed twice or without a method", () => {
    const one = issuer("partner", plain(ec.publicKey), ["ES256"]);
    assert.deepEqual(faultyPaths(withIssuers(one, one), { keys: true }), ["jwt_validation.1.name"]);
    const none = issuer("partner", plain(ec.publicKey), []);
    assert.deepEqual(faultyPaths(withIssuers(none), { keys: true }), ["jwt_validation.0.methods"]);
  });
});
