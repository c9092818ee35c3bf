import assert from "node:assert/strict";
import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import {
  createSecretBox,
  DamagedSecret,
  encryptionKeyId,
  totpPurpose,
  UnknownEncryptionKey,
} from "../../../src/auth/second-factor/secret-box.ts";

const newKey = (): KeyObject => createSecretKey(randomBytes(32));
const [first, second] = [newKey(), newKey()];
const purpose = totpPurpose(7n);
const plain = Buffer.from("12345678901234567890");
const box = createSecretBox({ active: first, retiring: [] });

describe("a secret box", () => {
  test("opens what it has sealed, also of no bytes, and never seals twice to the same bytes", async () => {
    for (const secret of [plain, Buffer.alloc(0), randomBytes(200)]) {
      const [a, b] = [box.seal(secret, purpose), box.seal(secret, purpose)];
      assert.notDeepEqual(a.sealed, b.sealed);
      assert.equal(a.sealed.length, 12 + secret.length + 16);
      for (const { keyId, sealed } of [a, b])
        assert.deepEqual(await box.open(keyId, sealed, purpose), secret, "another secret");
    }
  });

  test("names its key by the first 16 digits of a digest", () => {
    assert.equal(encryptionKeyId(createSecretKey(Buffer.alloc(32, 1))), "399143c488faffc5");
    assert.notEqual(encryptionKeyId(first), encryptionKeyId(second));
    assert.equal(box.activeKeyId, box.seal(plain, purpose).keyId);
  });

  test("rejects a secret of which any byte was changed, or that is too short", async () => {
    const { keyId, sealed } = box.seal(plain, purpose);
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await assert.rejects(box.open(keyId, changed, purpose), DamagedSecret, `byte ${at}`);
    }
    for (let length = 0; length < sealed.length; length++)
      await assert.rejects(box.open(keyId, sealed.subarray(0, length), purpose), DamagedSecret, `${length}`);
  });

  test("rejects a secret of another factor or purpose", async () => {
    const { keyId, sealed } = box.seal(plain, purpose);
    for (const other of [totpPurpose(8n), "totp", ""])
      await assert.rejects(box.open(keyId, sealed, other), DamagedSecret);
  });

  test("opens with retiring keys, and seals with the active one", async () => {
    const { keyId, sealed } = box.seal(plain, purpose);
    const rotated = createSecretBox({ active: second, retiring: [first] });
    assert.deepEqual(await rotated.open(keyId, sealed, purpose), plain);
    assert.equal(rotated.seal(plain, purpose).keyId, encryptionKeyId(second));
  });

  test("rejects an unknown key id with its name, and another key under a known id", async () => {
    const other = createSecretBox({ active: second, retiring: [] });
    const { keyId, sealed } = box.seal(plain, purpose);
    await assert.rejects(
      other.open(keyId, sealed, purpose),
      (error) => error instanceof UnknownEncryptionKey && error.keyId === keyId,
    );
    await assert.rejects(other.open(other.activeKeyId, sealed, purpose), DamagedSecret);
  });
});
