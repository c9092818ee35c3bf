import type { Readable } from "node:stream";

const HEADER_FRAME = 2;
/** Offset of the flags in a content header's payload, after class, weight and body size (AMQP 0-9-1, 4.2.6.1). */
const FLAGS_AT = 12;
const [CONTENT_TYPE, CONTENT_ENCODING, HEADERS, DELIVERY_MODE, PRIORITY, CORRELATION_ID] = [
  0x8000, 0x4000, 0x2000, 0x1000, 0x0800, 0x0400,
];

/**
 * Parses a connection's input, and collects the correlation id of each received message in order, as bytes: amqplib
 * would replace invalid UTF-8 by U+FFFD, which would hide a worker that does the same.
 */
export function readCorrelationIds(stream: Readable): (Buffer | undefined)[] {
  const ids: (Buffer | undefined)[] = [];
  let rest: Buffer = Buffer.alloc(0);
  const read = stream.read.bind(stream);
  stream.read = (size?: number): unknown => {
    const chunk: unknown = read(size);
    if (!Buffer.isBuffer(chunk)) return chunk;
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const end = rest.length < 7 ? Infinity : 7 + rest.readUInt32BE(3) + 1;
      if (rest.length < end) return chunk;
      if (rest[0] === HEADER_FRAME) ids.push(correlationIdIn(rest.subarray(7, end - 1)));
      rest = rest.subarray(end);
    }
  };
  return ids;
}

function correlationIdIn(header: Buffer): Buffer | undefined {
  const flags = header.readUInt16BE(FLAGS_AT);
  if ((flags & CORRELATION_ID) === 0) return undefined;
  let at = FLAGS_AT + 2;
  for (const text of [CONTENT_TYPE, CONTENT_ENCODING])
    if ((flags & text) !== 0) at += 1 + header.readUInt8(at);
  if ((flags & HEADERS) !== 0) at += 4 + header.readUInt32BE(at);
  for (const octet of [DELIVERY_MODE, PRIORITY]) if ((flags & octet) !== 0) at++;
  return Buffer.from(header.subarray(at + 1, at + 1 + header.readUInt8(at)));
}
