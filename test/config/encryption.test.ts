import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { newFolder } from "../support/cli.ts";
import { faultsOf, parse } from "./faults-of.ts";

const bytes = randomBytes(32);
const active = { type: "base64plain", value: bytes.toString("base64") };
const other = { type: "base64plain", value: randomBytes(32).toString("base64") };

const jwt_creation = {
  issuer: "authmq",
  signmethod: "HS256",
  secret: { type: "plain", value: "of-the-tokens-0123456789-abcdefgh" },
};

const encryptionOf = (section: unknown, folder = ".") =>
  parse({ jwt_creation, encryption_keys: section }, { keys: true, folder }).encryption;

const faults = (raw: object) => faultsOf({ jwt_creation, ...raw }, { keys: true });

describe("encryption keys", () => {
  test("are read from every kind of secret", () => {
    for (const [value, key] of [
      [active, bytes],
      [{ type: "base64key", value: `${active.value}\n` }, bytes],
      [{ type: "plain", value: "0123456789abcdef0123456789abcdef" }, "0123456789abcdef0123456789abcdef"],
    ] as const)
      assert.deepEqual(encryptionOf({ active: value })?.active.export(), Buffer.from(key), "another key");
  });

  test("are read from a file with 32 bytes or their base64, with or without a newline", () => {
    const folder = newFolder();
    const likeLines = Buffer.concat([bytes.subarray(0, 31), Buffer.from("\n")]);
    const likeText = Buffer.from("0123456789abcdef0123456789abcdef");
    for (const [content, key] of [
      [bytes, bytes],
      [likeLines, likeLines],
      [likeText, likeText],
      [Buffer.concat([likeText, Buffer.from("\r\n")]), likeText],
      [Buffer.concat([bytes, Buffer.from("\n")]), bytes],
      [Buffer.from(active.value), bytes],
      [Buffer.from(`${active.value}\n`), bytes],
      [Buffer.from(`${active.value}\r\n`), bytes],
    ] as const) {
      writeFileSync(join(folder, "key"), content);
      const read = encryptionOf({ active: { type: "keyfile", value: "key" } }, folder)?.active.export();
      assert.deepEqual(read, key, `another key from ${content.length} bytes`);
    }
  });

  test("retire, and are optional while there is no second factor", () => {
    assert.deepEqual(
      encryptionOf({ active: other, retiring: [active] })?.retiring.map((key) => key.export()),
      [bytes],
    );
    assert.deepEqual(encryptionOf({ active })?.retiring, []);
    assert.equal(parse({ jwt_creation }, { keys: true }).encryption, undefined);
  });

  test("are not read by a command that needs no keys, even if it has a second factor", () => {
    const raw = {
      app_config: { second_factor: "required" },
      encryption_keys: { active: { type: "keyfile" } },
    };
    assert.equal(parse(raw).encryption, undefined);
    assert.equal(parse({ app_config: { second_factor: "required" } }).encryption, undefined);
  });

  test("may come from variables", () => {
    const env = {
      AUTHMQ__ENCRYPTION_KEYS__ACTIVE__TYPE: "base64plain",
      AUTHMQ__ENCRYPTION_KEYS__ACTIVE__VALUE: active.value,
      AUTHMQ__ENCRYPTION_KEYS__RETIRING: JSON.stringify([other]),
    };
    const { encryption } = parse({ jwt_creation }, { keys: true, env });
    assert.deepEqual([encryption?.active.export(), encryption?.retiring.length], [bytes, 1]);
  });

  for (const mode of ["optional", "required"])
    test(`are needed for the second factor ${mode}`, () => {
      const found = faults({ app_config: { second_factor: mode } });
      assert.deepEqual(Object.keys(found), ["encryption_keys"]);
      assert.match(found["encryption_keys"] ?? "", /is missing.*"authmq keys rotate --secrets"$/);
      assert.deepEqual(faults({ app_config: { second_factor: mode }, encryption_keys: { active } }), {});
    });

  for (const [what, section, path, msg] of [
    [
      "that is too short",
      { active: { type: "plain", value: "short" } },
      "encryption_keys.active",
      /has 5 bytes/,
    ],
    [
      "that is too long",
      { active: { type: "base64plain", value: randomBytes(33).toString("base64") } },
      "encryption_keys.active",
      /has 33 bytes; .* exactly 32\. Generate one .* "authmq keys generate --alg HS256"/,
    ],
    ["that is not base64", { active: { type: "base64key", value: "%" } }, "encryption_keys.active", /base64/],
    [
      "whose file is missing",
      { active, retiring: [{ type: "keyfile", value: "gone" }] },
      "encryption_keys.retiring.0",
      /cannot read the key file: it does not exist/,
    ],
    [
      "with a passphrase",
      { active: { ...active, secret: "p" } },
      "encryption_keys.active.secret",
      /unknown key/,
    ],
    ["that is missing", { retiring: [active] }, "encryption_keys.active", /is missing/],
    ["that is there twice", { active, retiring: [other, active] }, "encryption_keys", /same key twice/],
  ] as const)
    test(`a key ${what} is a fault`, () => {
      const found = faults({ encryption_keys: section });
      assert.deepEqual(Object.keys(found), [path]);
      assert.match(found[path] ?? "", msg);
    });
});

test("groups that need a second factor are a fault while it is off", () => {
  const groups = { second_factor_groups: ["staff"] };
  const path = "app_config.second_factor_groups";
  for (const app_config of [groups, { ...groups, second_factor: "off" }]) {
    const found = faults({ app_config });
    assert.deepEqual(Object.keys(found), [path]);
    assert.match(found[path] ?? "", /has no effect .*: set that to optional, or remove the groups/);
  }
  for (const second_factor of ["optional", "required"])
    assert.deepEqual(faults({ app_config: { ...groups, second_factor }, encryption_keys: { active } }), {});
});
