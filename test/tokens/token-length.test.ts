import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, createSecretKey, generateKeyPairSync } from "node:crypto";
import { before, describe, test } from "node:test";
import fc from "fast-check";
import { createVerifier, type Verifier } from "../../src/client/index.ts";
import type { SigningConfig } from "../../src/config/issuers.ts";
import { generateSecret } from "../../src/config/generate-key.ts";
import { SIGN_METHODS, type SignMethod } from "../../src/config/sections/jwt.ts";
import { AppError } from "../../src/errors.ts";
import { createIssuer } from "../../src/tokens/issuer.ts";
import { createValidator } from "../../src/tokens/validator.ts";
import { MAX_TOKEN_LENGTH } from "../../src/wire/token-length.ts";
import { decodePart } from "./craft.ts";

/** Maximum length of an ID token that lists groups. */
const MAX_WITH_GROUPS = 8192;

interface Subject {
  readonly username: string;
  readonly groups: readonly string[];
}

/** Characters of one to four bytes, and two that JSON escapes. */
const letters = ["a", "é", "漢", "😀", '"', "\u0001"];

/** Groups whose names have about `bytes` bytes in total: tokens of all lengths, most of them near the limit. */
const groups = fc
  .record({
    bytes: fc.oneof(
      fc.integer({ min: 0, max: 40_000 }),
      fc.integer({ min: 23_000, max: 24_600 }),
      fc.integer({ min: 0, max: 6200 }),
    ),
    letter: fc.constantFrom(...letters),
    length: fc.integer({ min: 1, max: 100 }),
    last: fc.integer({ min: 0, max: 120 }),
  })
  .map(({ bytes, letter, length, last }) => {
    const name = letter.repeat(Math.max(1, Math.floor(length / letter.length)));
    const count = Math.floor(bytes / (Buffer.byteLength(JSON.stringify(name)) + 1));
    return [...Array.from({ length: count }, () => name), "x".repeat(last)];
  });

const settings = fc.record({
  method: fc.constantFrom(...SIGN_METHODS),
  username: fc.constantFrom("alice", "漢".repeat(100), "\u0001".repeat(100)),
  vhost: fc.constantFrom("/", "v".repeat(100), "😀".repeat(50)),
  issuer: fc.oneof(
    { weight: 6, arbitrary: fc.constant("authmq") },
    { weight: 2, arbitrary: fc.constantFrom("i".repeat(8000), "i".repeat(30_000)) },
  ),
  audience: fc.constantFrom(undefined, "services", "a".repeat(500)),
  isLimited: fc.boolean(),
});

describe("tokens with names and lists of any length, for every algorithm", () => {
  const keys = new Map<SignMethod, SigningConfig["key"]>();
  before(() => {
    const { privateKey: rsa } = generateKeyPairSync("rsa", { modulusLength: 4096 });
    for (const method of SIGN_METHODS) {
      if (method.startsWith("HS")) keys.set(method, createSecretKey(Buffer.alloc(64, method)));
      else if (/^[RP]S/.test(method)) keys.set(method, rsa);
      else keys.set(method, createPrivateKey(generateSecret(method).secret));
    }
  });

  async function installation({
    method,
    issuer: name,
    audience,
  }: Pick<SigningConfig, "method" | "issuer" | "audience">) {
    const key = keys.get(method)!;
    const signing = { method, key, issuer: name, audience, reserve: [], fingerprintKey: undefined };
    const verification = key.type === "private" ? createPublicKey(key) : key;
    const trusted = { key: verification, methods: [method], until: undefined };
    const source = key.type === "secret" ? { secret: key.export() } : { keys: verification };
    const verifier: Verifier = createVerifier({ issuer: name, algorithms: [method], audience, ...source });
    const validator = createValidator(signing, [{ name, keys: [trusted], audience }]);
    return { issuer: await createIssuer(signing), validator, verifier };
  }

  test("an issued access token is accepted by the worker and by the client's verifier", async () => {
    const seen = { issued: 0, refused: 0, near: 0 };
    const property = fc.asyncProperty(settings, groups, async (given, list) => {
      const { issuer, validator, verifier } = await installation(given);
      const subject: Subject = { username: given.username, groups: list };
      const how = {
        grant: { sid: 2n ** 63n - 1n },
        vhost: given.vhost,
        lifetime: 300,
        isLimited: given.isLimited,
      };
      const token = orTooLarge(() => issuer.signAccessToken(subject, how));
      if (token instanceof AppError) {
        assert.match(token.message, new RegExp(`\\b${list.length} groups\\b`));
        seen.refused++;
        return;
      }
      seen.issued++;
      if (token.length > MAX_TOKEN_LENGTH - 200) seen.near++;
      assert.deepEqual(validator.verifyAccessToken(token)?.groups, list);
      assert.deepEqual((await verifier.verify(token)).groups, list);
    });
    await fc.assert(property, { numRuns: 300 });
    assert.ok(seen.issued > 50 && seen.refused > 20 && seen.near > 0, JSON.stringify(seen));
  });

  test("an issued ID token is accepted, and lists the groups unless that exceeds 8 KiB", async () => {
    const seen = { with: 0, without: 0, refused: 0 };
    const times = { issuedAt: new Date(), validUntil: new Date(Date.now() + 3_600_000) };
    const about = { tokenId: 2n ** 63n - 1n, ip: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", ...times };
    const property = fc.asyncProperty(settings, groups, async (given, list) => {
      const { issuer, validator } = await installation(given);
      const token = orTooLarge(() => issuer.signIdToken({ username: given.username, groups: list }, about));
      if (token instanceof AppError) {
        seen.refused++;
        return;
      }
      const { text, listsGroups } = token;
      assert.equal(validator.verifyIdToken(text)?.username, given.username);
      assert.equal(validator.verifyToken(text)?.typ, "id+jwt");
      const claims = decodePart(text, 1);
      assert.equal(Object.hasOwn(claims, "groups"), listsGroups);
      if (listsGroups) assert.deepEqual([claims["groups"], text.length <= MAX_WITH_GROUPS], [list, true]);
      else {
        const length = lengthWithGroups(text, list);
        assert.ok(length > MAX_WITH_GROUPS, `${length} characters`);
      }
      seen[listsGroups ? "with" : "without"]++;
    });
    await fc.assert(property, { numRuns: 300 });
    assert.ok(Math.min(...Object.values(seen)) > 5, JSON.stringify(seen));
  });

  test("the maximum length of a token is the same for the issuer and its readers", async () => {
    for (const method of ["EdDSA", "HS512", "RS512"] as const) {
      const { issuer, validator, verifier } = await installation({
        method,
        issuer: "authmq",
        audience: undefined,
      });
      const withName = (length: number): string | AppError => {
        const subject = { username: "u", groups: ["g".repeat(length)] };
        return orTooLarge(() =>
          issuer.signAccessToken(subject, { grant: { sid: 1n }, vhost: "/", lifetime: 9 }),
        );
      };
      let [fits, tooLong] = [0, MAX_TOKEN_LENGTH];
      while (tooLong - fits > 1) {
        const middle = Math.floor((fits + tooLong) / 2);
        if (withName(middle) instanceof AppError) tooLong = middle;
        else fits = middle;
      }
      const token = String(withName(fits));
      assert.notEqual(validator.verifyAccessToken(token), undefined);
      await verifier.verify(token);
      const { length } = token;
      assert.ok(length <= MAX_TOKEN_LENGTH && length > MAX_TOKEN_LENGTH - 3, `${method}: ${length}`);
    }
  });
});

function orTooLarge<T>(sign: () => T): T | AppError {
  try {
    return sign();
  } catch (error) {
    assert.ok(error instanceof AppError && error.code === "TOKEN_TOO_LARGE", String(error));
    return error;
  }
}

/** The length of the ID token if it listed the groups. */
function lengthWithGroups(text: string, list: readonly string[]): number {
  const payload = text.split(".")[1] ?? "";
  const full = Buffer.from(JSON.stringify({ ...decodePart(text, 1), groups: list })).toString("base64url");
  return text.length - payload.length + full.length;
}
