import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { scratchFolder } from "../support/scratch-folder.ts";
import { missingForPython, PYTHON } from "../support/python.ts";
import { startWorker } from "../support/worker.ts";
import { accessClaims, craft, secondsFromNow } from "../tokens/craft.ts";

const skip = missingForPython() ?? false;
const DOCUMENT = resolve(import.meta.dirname, "../../docs/guides/verify-access-tokens.md");

/** The example as printed in the documentation. */
function example(): string {
  const blocks = Array.from(
    readFileSync(DOCUMENT, "utf8").matchAll(/^```python\n(.*?)^```/gms),
    ([, text = ""]) => text,
  );
  const [block = ""] = blocks.filter((text) => text.includes("import jwt"));
  assert.match(block, /def verify_access_token/);
  return block;
}

const CALLS = `
import json, sys
for token in json.load(sys.stdin):
    try:
        print(verify_access_token(token)["sub"])
    except jwt.InvalidTokenError as error:
        print(type(error).__name__)
`;

test("the PyJWT example in verify-access-tokens.md accepts access tokens, also with clock differences, and nothing else", {
  skip,
}, async () => {
  await using worker = await startWorker();
  await worker.addUser("alice", "correct horse", { groups: ["dev"] });
  const id_token = await worker.login("alice", "correct horse");
  const { access_token } = (await worker.call("token", { id_token })).resp_data;
  const { key } = worker.config.signing!;
  const sign = (claims: object, header: object = {}): Promise<string> =>
    craft({ alg: "EdDSA", typ: "at+jwt", ...header }, accessClaims({ ...claims }), key);
  const ahead = (seconds: number) => ({ iat: secondsFromNow(seconds), nbf: secondsFromNow(seconds) });
  const expected = {
    alice: [
      access_token,
      await sign(ahead(1)),
      await sign(ahead(20)),
      await sign({ exp: secondsFromNow(-1) }),
    ],
    InvalidTokenError: [id_token, await sign({}, { typ: "JWT" })],
    ImmatureSignatureError: [await sign(ahead(60))],
    ExpiredSignatureError: [await sign({ exp: secondsFromNow(-60) })],
    InvalidIssuerError: [await sign({ iss: "else" })],
    MissingRequiredClaimError: [await sign({ exp: undefined }), await sign({ groups: undefined })],
    InvalidSignatureError: [`${String(access_token).slice(0, -6)}AAAAAA`],
    DecodeError: ["nonsense"],
  };
  const folder = await mkdtemp(join(scratchFolder, "pyjwt-"));
  const pem = createPublicKey(key).export({ type: "spki", format: "pem" });
  await writeFile(join(folder, "signing-key.pub.pem"), pem);
  const tokens = Object.values(expected).flat();
  const { stdout, stderr } = spawnSync(PYTHON, ["-c", example() + CALLS], {
    cwd: folder,
    input: JSON.stringify(tokens),
    encoding: "utf8",
  });
  assert.equal(stderr, "");
  const outcomes = Object.entries(expected).flatMap(([outcome, given]) => given.map(() => outcome));
  assert.deepEqual(stdout.trimEnd().split("\n"), outcomes);
});
