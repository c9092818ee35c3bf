import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hash as bcryptHash } from "@node-rs/bcrypt";
import fc from "fast-check";
import { createConcurrencyLimiter } from "../../src/auth/concurrency-limiter.ts";
import { createPasswords, isHashable, type Passwords } from "../../src/auth/password.ts";
import { formsOf, preparePassword } from "../../src/auth/password/prepare.ts";
import { type AppConfig, SECTIONS } from "../../src/config/schema.ts";
import { RequestCancelled } from "../../src/errors.ts";

const isCancelled = (): boolean => false;

describe("a concurrency limiter", () => {
  test("never runs more than its width, and keeps the order of arrival", async () => {
    const limiter = createConcurrencyLimiter(2);
    let running = 0;
    let most = 0;
    const begun: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        limiter.run(isCancelled, async () => {
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

  test("does not run cancelled tasks, and continues after a failed task", async () => {
    const limiter = createConcurrencyLimiter(1);
    let ran = false;
    const failed = limiter.run(isCancelled, () => Promise.reject(new Error("failed")));
    const unwanted = limiter.run(
      () => true,
      async () => {
        ran = true;
      },
    );
    await assert.rejects(failed, /failed/);
    await assert.rejects(unwanted, RequestCancelled);
    assert.equal(ran, false);
    assert.equal(await limiter.run(isCancelled, async () => "next"), "next");
  });
});

/** Passwords with cheap hashes by default. */
function passwordsWith(settings: Partial<AppConfig> = {}): Passwords {
  const cheap = { bcrypt_cost: 5, argon2_memory_kib: 64, argon2_passes: 2 };
  return createPasswords(SECTIONS.app_config.parse({ ...cheap, ...settings }));
}

// Created by OpenBSD's bcrypt, which Python's library uses too, and by the reference implementation of Argon2.
const KNOWN = [
  ["U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"],
  ["password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"],
  ["password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"],
] as const;

for (const password_hash of ["bcrypt", "argon2id"] as const) {
  describe(`passwords, with new hashes by ${password_hash},`, () => {
    const passwords = passwordsWith({ password_hash });

    test("match only their own hash, including hashes from other programs", async () => {
      const hash = await passwords.hash("correct horse", isCancelled);
      const beginning = password_hash === "bcrypt" ? "$2b$05$" : "$argon2id$v=19$m=64,t=2,p=1$";
      assert.equal(hash.toString().slice(0, beginning.length), beginning);
      assert.equal(await passwords.verify("correct horse", hash, isCancelled), "equal");
      assert.equal(await passwords.verify("correct hors", hash, isCancelled), "different");
      assert.notDeepEqual(await passwords.hash("correct horse", isCancelled), hash);
      for (const [password, stored] of KNOWN) {
        assert.equal(await passwords.verify(password, Buffer.from(stored), isCancelled), "equal", stored);
        assert.equal(
          await passwords.verify(`${password}x`, Buffer.from(stored), isCancelled),
          "different",
          stored,
        );
      }
    });

    test("are equal in every normal form and with every kind of space", async () => {
      const forms = [
        "caf\u00e9 au lait",
        "cafe\u0301 au lait",
        "caf\u00e9\u00a0au\u3000lait",
        "cafe\u0301\u2009au lait",
      ];
      for (const set of forms) {
        const hash = await passwords.hash(set, isCancelled);
        for (const typed of forms) assert.equal(await passwords.verify(typed, hash, isCancelled), "equal");
        assert.equal(await passwords.verify("cafe au lait", hash, isCancelled), "different");
      }
    });

    test("match a hash of an unprepared form, and the result says so", async () => {
      const raw = async (bytes: string): Promise<Uint8Array> =>
        Buffer.from(await bcryptHash(bytes, { cost: 5 }));
      const nfd = await raw("cafe\u0301 au lait");
      const noBreak = await raw("caf\u00e9\u00a0au lait");
      const mixed = await raw("\u00e9e\u0301\u00e9");
      const compare = (typed: string, stored: Uint8Array) => passwords.verify(typed, stored, isCancelled);
      assert.equal(await compare("caf\u00e9 au lait", nfd), "equal in another form");
      assert.equal(await compare("cafe\u0301 au lait", nfd), "equal in another form");
      assert.equal(await compare("caf\u00e9\u00a0au lait", noBreak), "equal in another form");
      assert.equal(await compare("cafe\u0301\u00a0au lait", noBreak), "equal in another form");
      assert.equal(await compare("caf\u00e9 au lait", noBreak), "different");
      assert.equal(await compare("\u00e9e\u0301\u00e9", mixed), "equal in another form");
    });

    test("have forms that depend only on the text, so that refusals do not depend on the account", () => {
      assert.deepEqual(formsOf("correct horse"), ["correct horse"]);
      assert.deepEqual(formsOf("caf\u00e9"), ["caf\u00e9", "cafe\u0301"]);
      assert.deepEqual(formsOf("cafe\u0301"), ["caf\u00e9", "cafe\u0301"]);
      assert.deepEqual(formsOf("a\u00a0b"), ["a b", "a\u00a0b"]);
      fc.assert(
        fc.property(fc.string({ unit: "binary" }), (typed) => {
          const forms = formsOf(typed);
          assert.ok(forms.length >= 1 && forms.length <= 4, `${forms.length} forms`);
          assert.equal(forms[0], preparePassword(typed));
          assert.equal(preparePassword(preparePassword(typed)), preparePassword(typed));
          assert.equal(preparePassword(typed.normalize("NFD")), preparePassword(typed));
        }),
      );
    });

    test("that bcrypt would truncate never match", async () => {
      const hash = await passwords.hash("x".repeat(72), isCancelled);
      assert.equal(await passwords.verify("x".repeat(73), hash, isCancelled), "different");
      assert.equal(await passwords.verify("x".repeat(72), hash, isCancelled), "equal");
      assert.deepEqual(
        [isHashable("ü".repeat(36)), isHashable("ü".repeat(37)), isHashable("a\0b")],
        [true, false, false],
      );
    });

    test("do not match a missing or damaged hash, or one with an excessive cost", async () => {
      const tail = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
      const absurd = [
        `$2b$31$${"a".repeat(52)}e`,
        `$2b$17$${"a".repeat(52)}e`,
        `$argon2id$v=19$m=4194304,t=2,p=1$${tail}`,
        `$argon2id$v=19$m=262145,t=2,p=1$${tail}`,
        `$argon2id$v=19$m=64,t=99,p=1$${tail}`,
        `$argon2id$v=19$m=64,t=0,p=1$${tail}`,
        `$argon2id$v=19$m=4,t=1,p=1$${tail}`,
        `$argon2id$v=19$m=64,t=1,p=0$${tail}`,
        `$argon2id$v=19$m=64,t=1,p=200$${tail}`,
        `$argon2id$v=16$m=64,t=1,p=1$${tail}`,
        `$argon2i$v=19$m=64,t=1,p=1$${tail}`,
      ];
      const damaged = ["damaged", "$2b$05$short", "$argon2id$", `$argon2id$v=19$m=64,t=1,p=1$${tail}=`, ""];
      for (const stored of [null, ...[...absurd, ...damaged].map((text) => Buffer.from(text))])
        assert.equal(await passwords.verify("password", stored, isCancelled), "different", String(stored));
      assert.equal(
        await passwords.verify("password", Buffer.from([0xff, 0xfe, 0]), isCancelled),
        "different",
      );
    });

    test("report hashes with a lower cost or another algorithm as outdated", async () => {
      const cheaper = passwordsWith({ password_hash, bcrypt_cost: 4, argon2_memory_kib: 32 });
      const dearer = passwordsWith({
        password_hash,
        bcrypt_cost: 6,
        argon2_memory_kib: 128,
        argon2_passes: 3,
      });
      const other = passwordsWith({ password_hash: password_hash === "bcrypt" ? "argon2id" : "bcrypt" });
      const outdated = async (by: Passwords): Promise<boolean> => {
        const hash = await by.hash("correct horse", isCancelled);
        assert.equal(await passwords.verify("wrong", hash, isCancelled), "different");
        assert.equal(await passwords.verify("correct horse", hash, isCancelled), "equal");
        return passwords.isOutdated(hash);
      };
      assert.deepEqual(
        [await outdated(cheaper), await outdated(dearer), await outdated(other), await outdated(passwords)],
        [true, false, true, false],
      );
    });
  });
}
