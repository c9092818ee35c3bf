import assert from "node:assert/strict";
import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { Writable } from "node:stream";
import { describe, test } from "node:test";
import { createRefreshingBox } from "../../../src/auth/second-factor/refreshing-box.ts";
import { createSecretBox } from "../../../src/auth/second-factor/secret-box.ts";
import type { EncryptionConfig } from "../../../src/config/encryption.ts";
import { ConfigError } from "../../../src/config/fault.ts";
import { AppError } from "../../../src/errors.ts";
import { createLogTo } from "../../../src/observability/log.ts";

const newKey = (): KeyObject => createSecretKey(randomBytes(32));
const [old, next] = [newKey(), newKey()];
const rotated: EncryptionConfig = { active: next, retiring: [old] };
const plain = Buffer.from("a secret of twenty b");
const { keyId, sealed } = createSecretBox(rotated).seal(plain, "p");

function setup(readKeys: (() => EncryptionConfig | undefined) | undefined) {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  const clock = { time: 0, reads: 0 };
  const read =
    readKeys &&
    (() => {
      clock.reads++;
      return readKeys();
    });
  const box = createRefreshingBox({
    keys: { active: old, retiring: [] },
    readKeys: read,
    log: createLogTo(sink, "info"),
    now: () => clock.time,
  });
  return { box, clock, lines };
}

const isUnavailable = (error: unknown): boolean =>
  error instanceof AppError &&
  error.code === "UNAVAILABLE" &&
  (error.detail?.includes(keyId) ?? false) &&
  /add that key to encryption_keys\.retiring/.test(error.detail ?? "");

describe("a box whose configuration was rotated", () => {
  test("reads it again for an unknown key, and then seals with the new key", async () => {
    const { box, clock, lines } = setup(() => rotated);
    assert.deepEqual(await box.open(keyId, sealed, "p"), plain);
    assert.equal(box.activeKeyId, keyId);
    assert.equal(box.seal(plain, "p").keyId, keyId);
    await box.open(keyId, sealed, "p");
    assert.equal(clock.reads, 1);
    assert.match(lines.join(""), /"encryption_key_id":"[0-9a-f]{16}".*"msg":"reloaded the encryption keys"/);
  });

  test("reads it at most once in five seconds, and rejects with the key id until it has the key", async () => {
    let current: EncryptionConfig = { active: newKey(), retiring: [] };
    const { box, clock } = setup(() => current);
    await assert.rejects(box.open(keyId, sealed, "p"), isUnavailable);
    current = rotated;
    clock.time = 4999;
    await Promise.all([1, 2, 3].map(() => assert.rejects(box.open(keyId, sealed, "p"), isUnavailable)));
    assert.equal(clock.reads, 1);
    clock.time = 5000;
    assert.deepEqual(await box.open(keyId, sealed, "p"), plain);
    assert.equal(clock.reads, 2);
  });

  test("keeps its keys if the configuration has faults, has no keys, or cannot change", async () => {
    const faulty = (): never => {
      throw new ConfigError([{ path: "encryption_keys.active", msg: "has 5 bytes" }]);
    };
    for (const read of [faulty, () => undefined, undefined]) {
      const { box, lines } = setup(read);
      await assert.rejects(box.open(keyId, sealed, "p"), isUnavailable);
      const mine = box.seal(plain, "p");
      assert.deepEqual(await box.open(mine.keyId, mine.sealed, "p"), plain);
      assert.equal(lines.length, read === faulty ? 1 : 0);
      if (read === faulty) assert.match(lines.join(""), /could not reload the encryption keys/);
    }
  });

  test("does not read it for a damaged secret", async () => {
    const { box, clock } = setup(() => rotated);
    const mine = box.seal(plain, "p");
    await assert.rejects(
      box.open(mine.keyId, mine.sealed, "totp 7"),
      (error) =>
        error instanceof AppError &&
        error.code === "UNAVAILABLE" &&
        /\(totp 7\) is damaged: remove the factor/.test(error.detail ?? ""),
    );
    assert.equal(clock.reads, 0);
  });

  test("uses keys that replace its own", async () => {
    const { box, clock } = setup(undefined);
    box.useKeys(rotated);
    assert.deepEqual(await box.open(keyId, sealed, "p"), plain);
    assert.equal(clock.reads, 0);
  });
});
