import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { ChannelModel } from "amqplib";
import { skipUnreadableHeaders } from "../../../src/amqp/header-workaround.ts";
import { bytesOf, properties, type Entry } from "../message.ts";
import { contentHeader, frame } from "../wire.ts";
import { holds, type Property } from "./property.ts";

interface Header {
  readonly size?: number;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly content?: Buffer;
}

/** amqplib's frame parser, which it does not export. */
interface FrameReader {
  rest: Buffer;
  maxFrameSize: number;
  stream: { read: () => Buffer | null };
  recvFrame(): Header | false;
}

const require = createRequire(import.meta.url);
const library = dirname(require.resolve("amqplib"));
const { Connection } = require(join(library, "lib/connection.js")) as {
  Connection: { prototype: FrameReader };
};

const KEY = "x-idempotency-key";

/** Properties of parsing frames. */
export const FRAMES: readonly Property[] = [
  holds(
    "a message with any headers is parsed, and an idempotency key in them is found",
    400,
    properties,
    (given) => {
      const header = contentHeader({ replyTo: "reply", user: "guest" }, given, 3);
      if (header.length > 120_000) return; // longer than a frame
      const reader = readerOf(Buffer.concat([frame(2, 1, header), frame(3, 1, Buffer.from("abc"))]));
      const message = reader.recvFrame();
      const body = reader.recvFrame();
      assert.ok(message !== false, "the header was not read");
      assert.ok(body !== false, "the body was not read");
      assert.equal(reader.recvFrame(), false);
      assert.equal(message.size, 3);
      assert.equal(message.fields?.["replyTo"], "reply");
      assert.equal(body.content?.toString(), "abc");
      const headers = message.fields["headers"];
      const keys = (given.headers ?? []).filter(([name]) => bytesOf(name).toString() === KEY);
      const last = keys.at(-1);
      assert.equal(
        typeof headers === "object" && headers !== null && Object.hasOwn(headers, KEY),
        last !== undefined,
      );
      if (last !== undefined) checkKey((headers as Record<string, unknown>)[KEY], last);
    },
  ),
];

/** A text is the key; any other value is ignored here, and the pipeline rejects it. */
function checkKey(seen: unknown, [, field]: Entry): void {
  const text = field.tag === "S" && "value" in field ? bytesOf(field.value).toString() : undefined;
  if (text !== undefined && typeof seen === "string") assert.equal(seen, text);
  else assert.notEqual(typeof seen, "string");
}

function readerOf(bytes: Buffer): FrameReader {
  const reader = Object.create(Connection.prototype) as FrameReader;
  // In chunks, as a socket delivers them.
  const chunks = Array.from({ length: Math.ceil(bytes.length / 1000) }, (_, at) =>
    bytes.subarray(at * 1000, at * 1000 + 1000),
  );
  Object.assign(reader, {
    rest: Buffer.alloc(0),
    maxFrameSize: 131_072,
    stream: { read: () => chunks.shift() ?? null },
  });
  skipUnreadableHeaders({ connection: reader } as unknown as ChannelModel);
  return reader;
}
