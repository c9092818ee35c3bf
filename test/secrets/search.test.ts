import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { generateSecret } from "../../src/config/generate-key.ts";
import { newFolder } from "../support/cli.ts";
import { formsOf } from "./forms.ts";
import { NAMES, type SecretKind, SECRETS, WRITTEN } from "./notes.ts";
import { Searcher } from "./searcher.ts";
import { searchSecrets } from "./verdict.ts";

const PASSWORD = 'Tr0ub4dor&3 "\u00fcber" \\ \u0007';
const SIGNATURE = randomBytes(64).toString("base64url");
const TOKEN = `eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbGljZSJ9.${SIGNATURE}`;
const SALT_AND_HASH = "N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
const PEM = generateSecret("EdDSA").secret;
const SHARED = randomBytes(32);

/** Encodings in which each secret must be found, in any surrounding text. */
const PLANTED: readonly (readonly [what: string, kind: SecretKind, secret: string, text: string])[] = [
  ["a plain password", "password", PASSWORD, PASSWORD],
  ["a password in JSON", "password", PASSWORD, JSON.stringify({ a: PASSWORD })],
  ["a password in JSON in JSON", "password", PASSWORD, JSON.stringify(JSON.stringify({ a: PASSWORD }))],
  [
    "a password with all non-ASCII characters escaped",
    "password",
    PASSWORD,
    JSON.stringify(PASSWORD).replace(/\u00fc/, "\\u00fc"),
  ],
  ["a password in base64", "password", PASSWORD, Buffer.from(PASSWORD).toString("base64")],
  ["a password in base64url", "password", PASSWORD, Buffer.from(PASSWORD).toString("base64url")],
  ["a password in HTTP Basic", "password", PASSWORD, Buffer.from(`alice:${PASSWORD}`).toString("base64")],
  [
    "a password in SASL PLAIN",
    "password",
    PASSWORD,
    Buffer.from(`\0bob\0${PASSWORD}\0`).toString("base64url"),
  ],
  ["a password in a URL", "password", PASSWORD, `amqp://a:${encodeURIComponent(PASSWORD)}@host`],
  ["a password in hexadecimal", "password", PASSWORD, Buffer.from(PASSWORD).toString("hex")],
  ["a password in a dumped Buffer", "password", PASSWORD, JSON.stringify(Buffer.from(PASSWORD))],
  ["a token", "token", TOKEN, `Bearer ${TOKEN}`],
  ["the signature of a token", "token", TOKEN, SIGNATURE],
  ["a token without its beginning", "token", TOKEN, TOKEN.slice(7)],
  ["an opaque token", "token", "an opaque token of some length", "an opaque token of some length"],
  ["a ticket", "ticket", PEM, PEM],
  ["a bcrypt hash", "hash", `$2b$04$${SALT_AND_HASH}`, `$2b$04$${SALT_AND_HASH}`],
  ["a bcrypt hash with another prefix", "hash", `$2b$04$${SALT_AND_HASH}`, `$2a$04$${SALT_AND_HASH}`],
  ["a bcrypt hash in hexadecimal", "hash", `$2b$04$${SALT_AND_HASH}`, `0x${hex(`$2b$04$${SALT_AND_HASH}`)}`],
  [
    "an argon2id hash",
    "hash",
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
    "c2FsdHNhbHQ$aGFzaGhhc2g",
  ],
  ["a line of a private key", "key", PEM, PEM.split("\n")[1]!],
  ["a private key in one line", "key", PEM, JSON.stringify(PEM)],
  ["the number of a private key", "key", PEM, PEM.split("\n")[1]!.slice(-42)],
  ["a shared secret in base64", "key", SHARED.toString("latin1"), SHARED.toString("base64")],
  ["a shared secret as JWK", "key", SHARED.toString("latin1"), SHARED.toString("base64url")],
  ["a shared secret in hexadecimal", "key", SHARED.toString("latin1"), SHARED.toString("hex")],
];

describe("the search", () => {
  for (const [what, kind, secret, text] of PLANTED) {
    test(`finds ${what}`, () => {
      const folder = notesWith([[kind, secret]], `{"level":30,"msg":"before"}\n{"msg":"a${text}b"}\nafter\n`);
      const { ok, lines } = searchSecrets(folder);
      assert.equal(ok, false);
      assert.match(lines[0]!, new RegExp(`^secrets: a ${kind} \\(seen by here\\) is in log, line 2: `));
      for (const form of formsOf(kind, secret))
        assert.ok(!lines.join("\n").includes(form.toString()), "covered");
    });
  }

  test("finds a password in a form, where a space is a plus", () => {
    const secret = "correct horse battery";
    const text = new URLSearchParams({ password: secret }).toString();
    assert.equal(searchSecrets(notesWith([["password", secret]], text)).ok, false);
  });

  test("finds nothing if there is nothing, and prints what it searched", () => {
    const folder = notesWith(
      [
        ["password", PASSWORD],
        ["token", TOKEN],
        ["password", "short"],
        ["password", "resp_data"],
        ["password", "Alice-Smith"],
        ["token", "x".repeat(20_000)],
      ],
      "nothing short or resp_data or alice-smith here\n",
    );
    writeFileSync(join(folder, NAMES), '"alice-smith@example.com"\n');
    assert.deepEqual(searchSecrets(folder), {
      ok: true,
      lines: [
        "secrets: 47 bytes searched for 2 secrets, none found (4 not searched: 1 short, 1 names, " +
          "1 words of the program, 1 with few different characters)",
      ],
    });
  });

  test("finds all needles in a text, and no others, at any position", () => {
    const letters = fc.stringMatching(/^[ab]{8,12}$/);
    const property = fc.property(fc.array(letters, { maxLength: 20 }), letters, (needles, middle) => {
      const text = `${needles.join("")}${middle}`;
      const needlesToFind = [...needles.slice(1), "bbbbbbbb", "abababab"];
      const searcher = new Searcher<string>();
      for (const needle of needlesToFind) searcher.add(Buffer.from(needle), needle);
      const found = new Set(searcher.find(Buffer.from(text)).map(({ from, to }) => text.slice(from, to)));
      assert.deepEqual(found, new Set(needlesToFind.filter((needle) => text.includes(needle))));
    });
    fc.assert(property, { numRuns: 300 });
  });

  test("finds matches across the borders of chunks in which a file is read, each once", () => {
    const needle = randomBytes(200);
    const searcher = new Searcher<string>();
    searcher.add(needle, "it");
    const part = 8 * 1024 * 1024;
    const file = join(newFolder(), "large");
    const bytes = Buffer.alloc(2 * part + 500, "x");
    const places = [0, part - 200, 2 * part - 100, 2 * part + 300];
    for (const at of places) needle.copy(bytes, at);
    writeFileSync(file, bytes);
    const { size, finds } = searcher.findInFile(file);
    assert.equal(size, bytes.length);
    assert.deepEqual(
      finds.map(({ from }) => from),
      places,
    );
  });

  test("rejects needles that would be found everywhere", () => {
    assert.throws(() => new Searcher<string>().add(Buffer.from("seven77"), ""), RangeError);
    assert.deepEqual(formsOf("token", "a.b.c"), []);
  });
});

function hex(text: string): string {
  return Buffer.from(text).toString("hex");
}

/** The records of a run: these secrets, and one file with this text. */
function notesWith(secrets: readonly (readonly [SecretKind, string])[], text: string): string {
  const folder = newFolder();
  for (const [kind, value] of secrets)
    appendFileSync(join(folder, SECRETS), `${JSON.stringify({ kind, value, seenBy: "here" })}\n`);
  mkdirSync(join(folder, WRITTEN));
  writeFileSync(join(folder, WRITTEN, "log"), text);
  return folder;
}
