import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createLane } from "../../src/auth/lane.ts";
import { createPasswords, isHashable } from "../../src/auth/password.ts";
import { Abandoned } from "../../src/errors.ts";

const wanted = (): boolean => true;

describe("a lane", () => {
  test("never runs more than its width, and keeps the order of arrival", async () => {
    const lane = createLane(2);
    let running = 0;
    let most = 0;
    const begun: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        lane.run(wanted, async () => {
          begun.push(index);
          most = Math.max(most, ++running);
          await new Promise((resolve) => setImmediate(resolve));
          running--;
        }),
      ),
    );
    assert.equal(most, 2);
    assert.deepEqual(
      begun,
      begun.toSorted((a, b) => a - b),
    );
  });

  test("does not run what nobody wants any more, and goes on after a task that failed", async () => {
    const lane = createLane(1);
    let ran = false;
    const failed = lane.run(wanted, () => Promise.reject(new Error("failed")));
    const unwanted = lane.run(
      () => false,
      async () => {
        ran = true;
      },
    );
    await assert.rejects(failed, /failed/);
    await assert.rejects(unwanted, Abandoned);
    assert.equal(ran, false);
    assert.equal(await lane.run(wanted, async () => "next"), "next");
  });
});

describe("passwords", () => {
  const passwords = createPasswords(5);

  test("fit their own hash and no other, and hashes of Python's bcrypt", async () => {
    const hash = await passwords.hash("correct horse", wanted);
    assert.equal(await passwords.verify("correct horse", hash, wanted), true);
    assert.equal(await passwords.verify("correct hors", hash, wanted), false);
    // From the test vectors of OpenBSD's bcrypt, which Python's library shares.
    const known = Buffer.from("$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
    assert.equal(await passwords.verify("U*U", known, wanted), true);
  });

  test("that bcrypt would cut are never right", async () => {
    const hash = await passwords.hash("x".repeat(72), wanted);
    assert.equal(await passwords.verify("x".repeat(73), hash, wanted), false);
    assert.equal(await passwords.verify("x".repeat(72), hash, wanted), true);
    assert.deepEqual(
      [isHashable("ü".repeat(36)), isHashable("ü".repeat(37)), isHashable("a\0b")],
      [true, false, false],
    );
  });

  test("are refused without a hash or with a damaged one", async () => {
    for (const stored of [null, Buffer.from("damaged"), Buffer.from("$2b$05$short"), Buffer.alloc(0)]) {
      assert.equal(await passwords.verify("correct horse", stored, wanted), false);
    }
  });

  test("know a hash that is cheaper than what is configured", async () => {
    const cheap = await createPasswords(4).hash("correct horse", wanted);
    assert.equal(passwords.isOutdated(cheap), true);
    assert.equal(passwords.isOutdated(await passwords.hash("correct horse", wanted)), false);
    assert.equal(await passwords.verify("wrong", cheap, wanted), false);
    assert.equal(await passwords.verify("correct horse", cheap, wanted), true);
  });
});
