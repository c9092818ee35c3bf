import type { ChannelModel } from "amqplib";

/** The part of amqplib's connection that reads frames; not in its types. */
interface FrameReader {
  rest: Buffer;
  recvFrame(): unknown;
}

const HEADER_FRAME = 2;
/** Length of a frame's type, channel and size. The flags follow class, weight and body size (AMQP 0-9-1, 4.2.6). */
const FRAME_START = 7;
const FLAGS_AT = FRAME_START + 12;
const FRAME_END = 0xce;
const CONTENT_TYPE = 0x8000;
const CONTENT_ENCODING = 0x4000;
const HEADERS = 0x2000;

/** Sizes of field values by tag (RabbitMQ's and the specification's tags); strings and tables carry a length. */
const SIZES: Readonly<Record<string, number>> = {
  ...{ V: 0, t: 1, b: 1, B: 1, s: 2, u: 2, U: 2 },
  ...{ I: 4, i: 4, f: 4, D: 5, l: 8, L: 8, d: 8, T: 8 },
};
const WITH_LENGTH = "SxFA";

/** Replaces an unreadable idempotency key with an invalid one: the request is rejected instead of executed twice. */
const NO_KEY = Buffer.concat([shortText("x-idempotency-key"), Buffer.from("t\0")]);

/**
 * Keeps the connection open when amqplib cannot read a message's headers; keeps only their strings. amqplib throws on
 * 64-bit integers (tag L) and deep nesting. That closes the connection, and the redelivered message closes the next.
 */
export function skipUnreadableHeaders(model: ChannelModel): void {
  const connection: object = model.connection;
  if (!isFrameReader(connection)) return;
  const read = connection.recvFrame.bind(connection);
  connection.recvFrame = () => {
    const before = connection.rest;
    try {
      return read();
    } catch (error) {
      const readable = withReadableHeaders(before);
      if (readable === undefined) throw error;
      connection.rest = Buffer.concat([readable, connection.rest]);
      return read();
    }
  };
}

function isFrameReader(connection: object): connection is FrameReader {
  return "recvFrame" in connection && "rest" in connection;
}

/** The first frame, with only the strings of its headers; undefined when it has no headers. */
function withReadableHeaders(bytes: Buffer): Buffer | undefined {
  if (bytes.length < FLAGS_AT + 2 || bytes[0] !== HEADER_FRAME) return undefined;
  if (bytes.length < FRAME_START + bytes.readUInt32BE(3) + 1) return undefined;
  const frame = bytes.subarray(0, FRAME_START + bytes.readUInt32BE(3) + 1);
  if (frame.at(-1) !== FRAME_END) return undefined;
  const flags = frame.readUInt16BE(FLAGS_AT);
  if ((flags & HEADERS) === 0) return undefined;
  let start = FLAGS_AT + 2;
  for (const property of [CONTENT_TYPE, CONTENT_ENCODING])
    if ((flags & property) !== 0) start += 1 + frame.readUInt8(start);
  const end = start + 4 + frame.readUInt32BE(start);
  const table = textsOf(frame.subarray(start + 4, end));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(table.length);
  const readable = Buffer.concat([frame.subarray(0, start), length, table, frame.subarray(end)]);
  readable.writeUInt32BE(readable.length - FRAME_START - 1, 3);
  return readable;
}

/** The entries of a table whose values are strings. */
function textsOf(table: Buffer): Buffer {
  const texts: Buffer[] = [];
  for (let at = 0; at < table.length; ) {
    const tagAt = at + 1 + table.readUInt8(at);
    const name = table.toString("utf8", at + 1, tagAt);
    const tag = String.fromCharCode(table[tagAt] ?? 0);
    const size = WITH_LENGTH.includes(tag) ? 4 + table.readUInt32BE(tagAt + 1) : SIZES[tag];
    if (size === undefined) return NO_KEY;
    const next = tagAt + 1 + size;
    if (tag === "S") texts.push(table.subarray(at, next));
    else if (name === "x-idempotency-key") texts.push(NO_KEY);
    at = next;
  }
  return Buffer.concat(texts);
}

function shortText(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}
