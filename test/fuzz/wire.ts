import { bytesOf, type Entry, type Field, type Properties, type Text } from "./message.ts";

/** The flag of each property, in the order of the wire (AMQP 0-9-1, 4.2.6.1). */
const FLAGS = {
  contentType: 0x8000,
  contentEncoding: 0x4000,
  headers: 0x2000,
  deliveryMode: 0x1000,
  priority: 0x0800,
  correlationId: 0x0400,
  replyTo: 0x0200,
  expiration: 0x0100,
  messageId: 0x0080,
  timestamp: 0x0040,
  type: 0x0020,
  userId: 0x0010,
  appId: 0x0008,
  clusterId: 0x0004,
} as const;

const BODY_FRAME = 100_000;

/** A content header must fit in one frame, which the broker limits to 128 KiB. */
const MAX_HEADER = 120_000;

/** Maximum length of a property's text, in bytes. */
export const MAX_SHORT = 255;

/** The queue of a message, and its reply queue. */
export interface Address {
  readonly channel: number;
  readonly queue: string;
  readonly replyTo: string;
  /** The user of the connection. */
  readonly user: string;
}

/** The frames of a basic.publish with its content, encoded without a client library, so that anything can be sent. */
export function publishFrames(address: Address, properties: Properties, body: Uint8Array): Buffer {
  const { channel, queue } = address;
  const method = Buffer.concat([
    Buffer.from([0, 60, 0, 40, 0, 0]),
    short(""),
    short(queue),
    Buffer.from([0]),
  ]);
  const { headers, ...others } = properties;
  const whole = contentHeader(address, properties, body.length);
  // Omit only the headers: the reply is checked against the other properties.
  const isTooLong = headers !== undefined && whole.length > MAX_HEADER;
  const header = isTooLong ? contentHeader(address, others, body.length) : whole;
  const frames = [frame(1, channel, method), frame(2, channel, header)];
  for (let at = 0; at < body.length; at += BODY_FRAME)
    frames.push(frame(3, channel, body.subarray(at, at + BODY_FRAME)));
  return Buffer.concat(frames);
}

/** The payload of a content header frame. */
export function contentHeader(
  { replyTo, user }: Pick<Address, "replyTo" | "user">,
  given: Properties,
  bodySize: number,
): Buffer {
  const encoded: Partial<Record<keyof typeof FLAGS, Buffer>> = { replyTo: short(replyTo) };
  for (const name of [
    "contentType",
    "contentEncoding",
    "correlationId",
    "messageId",
    "type",
    "appId",
    "clusterId",
  ] as const) {
    const value = given[name];
    if (value !== undefined) encoded[name] = short(value);
  }
  if (given.headers !== undefined) encoded.headers = sized(table(given.headers));
  if (given.deliveryMode !== undefined) encoded.deliveryMode = Buffer.from([given.deliveryMode]);
  if (given.priority !== undefined) encoded.priority = Buffer.from([given.priority]);
  if (given.expiration !== undefined) encoded.expiration = short(given.expiration);
  if (given.timestamp !== undefined) encoded.timestamp = Buffer.from(given.timestamp, "hex");
  if (given.userId === true) encoded.userId = short(user);
  const head = Buffer.alloc(14);
  head.writeUInt16BE(60, 0);
  head.writeBigUInt64BE(BigInt(bodySize), 4);
  const parts: Buffer[] = [head];
  let flags = 0;
  for (const [name, flag] of Object.entries(FLAGS)) {
    const value = encoded[name as keyof typeof FLAGS];
    if (value === undefined) continue;
    flags |= flag;
    parts.push(value);
  }
  head.writeUInt16BE(flags, 12);
  return Buffer.concat(parts);
}

/** A frame (AMQP 0-9-1, 4.2.3). */
export function frame(type: number, channel: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(7);
  head.writeUInt8(type, 0);
  head.writeUInt16BE(channel, 1);
  head.writeUInt32BE(payload.length, 3);
  return Buffer.concat([head, payload, Buffer.from([0xce])]);
}

/** The bytes of a text that fit in a property. */
export function shortBytes(text: Text): Buffer {
  return bytesOf(text).subarray(0, MAX_SHORT);
}

function short(text: Text | string): Buffer {
  const bytes = shortBytes(typeof text === "string" ? { text } : text);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

function sized(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
}

function table(entries: readonly Entry[]): Buffer {
  return Buffer.concat(entries.flatMap(([name, value]) => [short(name), value]).map(encoded));
}

function encoded(part: Buffer | Field): Buffer {
  if (Buffer.isBuffer(part)) return part;
  const tag = Buffer.from(part.tag);
  if ("depth" in part) return nested(part.depth);
  if ("hex" in part) return Buffer.concat([tag, Buffer.from(part.hex, "hex")]);
  if ("value" in part) return Buffer.concat([tag, sized(bytesOf(part.value))]);
  if ("entries" in part) return Buffer.concat([tag, sized(table(part.entries))]);
  return Buffer.concat([tag, sized(Buffer.concat(part.items.map(encoded)))]);
}

/** Nested lists. */
function nested(depth: number): Buffer {
  const bytes = Buffer.alloc(depth * 5, "A");
  for (let level = 0; level < depth; level++) bytes.writeUInt32BE((depth - level - 1) * 5, level * 5 + 1);
  return bytes;
}
