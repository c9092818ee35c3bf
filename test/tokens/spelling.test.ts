import assert from "node:assert/strict";
import type { KeyObject } from "node:crypto";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { createValidator, type TokenValidator } from "../../src/tokens/validator.ts";
import { MAX_TOKEN_LENGTH } from "../../src/wire/token-length.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";
import { accessClaims, craft, decodePart, withSpareBits } from "./craft.ts";

const header = { alg: "EdDSA", typ: "at+jwt" };

describe("the only accepted encoding of a token", () => {
  let worker: TestWorker;
  let key: KeyObject;
  let token: string;
  /** The session of alice. */
  let sid: unknown;
  let validator: TokenValidator;
  before(async () => {
    worker = await startWorker();
    key = worker.config.signing!.key;
    await worker.addUser("alice", "correct horse");
    token = await worker.ownToken("alice", "correct horse");
    ({ sid } = decodePart(token, 1));
    validator = createValidator(worker.config.signing!, worker.config.issuers);
  });
  after(() => worker[Symbol.asyncDispose]());

  async function present(text: string): Promise<number> {
    return (await worker.call("group_all", { access_token: text })).resp_code;
  }

  test("is the one that was issued", async () => {
    assert.equal(await present(token), 204);
  });

  test("has no spare bits set at the end of a part", async () => {
    const parts = token.split(".");
    for (const [index, part] of parts.entries()) {
      const changed = withSpareBits(part);
      const same = Buffer.from(changed, "base64url").equals(Buffer.from(part, "base64url"));
      if (!same) continue; // this part's length leaves no spare bits
      assert.equal(await present(parts.with(index, changed).join(".")), 401, `part ${index}`);
    }
    assert.notEqual(parts[2]!.length % 4, 0, "a signature of 64 bytes has spare bits");
  });

  test("has no padding, no white space, no prefix and no suffix", async () => {
    const [first = "", second = "", signature = ""] = token.split(".");
    for (const changed of [
      `${token}=`,
      `${token}==`,
      `${first}=.${second}.${signature}`,
      ` ${token}`,
      `${token} `,
      `${token}\n`,
      `${token}\0`,
      `${first} .${second}.${signature}`,
      `${first}.${second}\r\n.${signature}`,
      `${token}.`,
      `.${token}`,
      `${token}A`,
      `${token}.AAAA`,
      `Bearer ${token}`,
      `${first}.${second}.${signature.slice(0, 40)}\t${signature.slice(40)}`,
    ]) {
      assert.equal(await present(changed), 401, JSON.stringify(changed.replace(token, "TOKEN")));
    }
  });

  test("uses the base64url alphabet, not the base64 one", async () => {
    // Ed25519 is deterministic: vary the payload until the token has a character in which the alphabets differ.
    let encoded = token;
    for (let round = 0; !/[-_][^.]*$/.test(encoded); round++) {
      encoded = await craft(header, accessClaims({ sid, jti: String(round) }), key);
    }
    assert.notEqual(await present(encoded), 401);
    assert.equal(await present(encoded.replaceAll("-", "+").replaceAll("_", "/")), 401);
  });

  test("is at most 32 KiB long", async () => {
    const padded = (length: number): Promise<string> =>
      craft(header, accessClaims({ sid, filler: "x".repeat(length) }), key);
    const base = (await padded(0)).length;
    const room = Math.floor(((MAX_TOKEN_LENGTH - base) * 3) / 4);
    const longest = await padded(room - 1);
    const longer = await padded(room + 3);
    const lengths = `${longest.length} and ${longer.length} characters`;
    assert.ok(longest.length <= MAX_TOKEN_LENGTH && longest.length > MAX_TOKEN_LENGTH - 6, lengths);
    assert.ok(longer.length > MAX_TOKEN_LENGTH && longer.length < MAX_TOKEN_LENGTH + 8, lengths);
    assert.equal(await present(longest), 204);
    assert.equal(await present(longer), 401);
  });

  test("is JSON in UTF-8", async () => {
    const text = JSON.stringify(accessClaims({ sid, jti: "HERE" }));
    const invalid = Buffer.from(text.replace("HERE", "\xff"), "latin1");
    assert.equal(await present(await craft(header, invalid, key)), 401);
    assert.equal(await present(await craft(header, text.replace("HERE", "ÿ"), key)), 204);
  });

  test("is rejected if one character changes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: token.length - 1 }),
        fc.oneof(
          fc.base64String({ minLength: 4, maxLength: 4 }).map((text) => text.charAt(0)),
          fc.string({ unit: "binary", minLength: 0, maxLength: 2 }),
        ),
        async (index, character) => {
          const changed = token.slice(0, index) + character + token.slice(index + 1);
          const caller = validator.verifyAccessToken(changed);
          assert.equal(caller !== undefined, changed === token);
        },
      ),
      { numRuns: 1500 },
    );
  });

  test("verification never throws, whatever the text", async () => {
    const part = fc.oneof(
      fc.json().map((text) => Buffer.from(text).toString("base64url")),
      fc.base64String(),
      fc.string({ unit: "binary" }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 5 }), async (parts) => {
        assert.equal(validator.verifyAccessToken(parts.join(".")), undefined);
        assert.equal(validator.verifyIdToken(parts.join(".")), undefined);
      }),
      { numRuns: 500 },
    );
  });
});
