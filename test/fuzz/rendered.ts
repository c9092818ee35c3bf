import type { QueueName } from "../../src/wire/queues.ts";
import { depthOf, write, type Written } from "./json.ts";
import type { Properties } from "./message.ts";
import type { Input, JsonBody } from "./requests.ts";
import { changeToken, type TokenName } from "./tokens.ts";

/** A request as it is sent, and how a reader must parse its body. */
export interface Rendered {
  readonly queue: QueueName;
  readonly properties: Properties;
  readonly body: Buffer;
  readonly secrets: readonly string[];
  readonly words: readonly string[];
  readonly reading: Reading;
}

/** The object in a body, or the error that is the only correct reply; `isSure` is false for a body that was damaged. */
export type Reading =
  | { readonly object: Readonly<Record<string, unknown>>; readonly isSure: boolean }
  | { readonly error: "INVALID_JSON" | "REQUEST_TOO_LARGE" };

const MAX_BYTES = 65_536;
const MAX_DEPTH = 32;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Serializes an input, with the tokens of one installation. */
export function render(
  queue: QueueName,
  { body, properties }: Input,
  texts: ReadonlyMap<TokenName, string>,
): Rendered {
  const written =
    "json" in body ? write(body.json, ({ of, change }) => changeToken(need(texts, of), change)) : NOTHING;
  const bytes = "json" in body ? bytesOf(body, written.text) : Buffer.from(body.hex, "hex");
  const { secrets, words } = written;
  const isWhole = "json" in body && body.cut === undefined && body.byte === undefined;
  return {
    queue,
    properties,
    body: bytes,
    secrets,
    words,
    reading: read(bytes, written.hasDuplicateKeys, isWhole),
  };
}

const NOTHING: Written = { text: "", secrets: [], words: [], hasDuplicateKeys: false };

function bytesOf(body: JsonBody, text: string): Buffer {
  let whole = Buffer.from(`${body.before ?? ""}${text}${body.after ?? ""}`);
  const { size, cut, byte } = body;
  if (size !== undefined && whole.length < size.bytes) {
    const missing = size.bytes - whole.length;
    const member = `${text === "{}" ? "" : ","}"filler":""`;
    const fits = size.by === "member" && missing >= member.length && text.endsWith("}");
    whole = fits
      ? Buffer.from(`${text.slice(0, -1)}${member.slice(0, -1)}${"x".repeat(missing - member.length)}"}`)
      : Buffer.concat([whole, Buffer.alloc(missing, " ")]);
  }
  if (cut !== undefined) whole = whole.subarray(0, Math.floor((whole.length * cut) / 1000));
  if (byte !== undefined && whole.length > 0)
    whole.write(byte[1], Math.floor((whole.length * byte[0]) / 1000), "hex");
  return whole;
}

/** A second parser, independent of the worker's, that follows the protocol. */
function read(bytes: Buffer, hasDuplicateKeys: boolean, isWhole: boolean): Reading {
  if (bytes.length > MAX_BYTES) return { error: "REQUEST_TOO_LARGE" };
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch {
    return { error: "INVALID_JSON" };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { error: "INVALID_JSON" };
  if (depthOf(value) > MAX_DEPTH || (hasDuplicateKeys && isWhole)) return { error: "INVALID_JSON" };
  return { object: Object.fromEntries(Object.entries(value)), isSure: isWhole };
}

function need(texts: ReadonlyMap<TokenName, string>, name: TokenName): string {
  const text = texts.get(name);
  if (text === undefined) throw new Error(`token ${name} does not exist`);
  return text;
}
