import assert from "node:assert/strict";
import fc from "fast-check";
import { parseJson } from "../../../src/wire/json.ts";
import { AppError } from "../../../src/errors.ts";
import { PROCEDURES } from "../../../src/procedures/index.ts";
import { decodeRequest } from "../../../src/rpc/decode.ts";
import { SECTIONS } from "../../../src/config/schema.ts";
import { depthOf, write } from "../json.ts";
import { render } from "../rendered.ts";
import { inputsFor } from "../requests.ts";
import { BAD_TOKENS, GOOD_TOKENS, type TokenName } from "../tokens.ts";
import { anyNode } from "../values.ts";
import { holds, type Property } from "./property.ts";

const MAX_BYTES = 65_536;

const texts = new Map<TokenName, string>(
  [...GOOD_TOKENS, ...BAD_TOKENS].map((name) => [name, `e30.e30.${name}`]),
);

const app = SECTIONS.app_config.parse({});
const inputs = fc.oneof(...PROCEDURES.map((one) => inputsFor(one, app)));

/** Properties of decoding a request. */
export const DECODING: readonly Property[] = [
  holds(
    "a body is decoded as the protocol says, or rejected with one of two error codes",
    400,
    inputs,
    (input) => {
      const { body, reading } = render("login", input, texts);
      const decoded = decode(body);
      if ("error" in reading) assert.deepEqual(decoded, reading);
      else if (reading.isSure || !("error" in decoded)) assert.deepEqual(decoded, { object: reading.object });
    },
  ),
  holds("any bytes are decoded or rejected", 400, fc.uint8Array({ maxLength: 300 }), (bytes) => {
    decode(Buffer.from(bytes));
  }),
  holds("duplicate keys are rejected in every spelling and at every depth", 400, anyNode, (node) => {
    const { text, hasDuplicateKeys } = write(node, ({ of }) => of);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      assert.throws(() => parseJson(text), SyntaxError);
      return;
    }
    if (hasDuplicateKeys) assert.throws(() => parseJson(text), SyntaxError);
    else assert.deepEqual(parseJson(text), value);
    const depth = depthOf(value);
    if (depth > 1) assert.throws(() => parseJson(text, depth - 1), SyntaxError);
  }),
];

function decode(body: Buffer): { object: unknown } | { error: string } {
  try {
    return { object: { ...decodeRequest(body, MAX_BYTES) } };
  } catch (error) {
    assert.ok(error instanceof AppError && error.cause === undefined, String(error));
    return { error: error.code };
  }
}
