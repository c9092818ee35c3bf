import type { InHeader } from "./reply.ts";

/** What RabbitMQ sets as `type` when it hands an AMQP 1.0 body that is no data section to an AMQP 0.9.1 consumer. */
const ENCODED_BODY = "amqp-1.0";

/** Type codes of AMQP 1.0 (part 1, sections 1.2 and 1.6; part 3, section 3.2.8). */
const DESCRIBED = 0x00;
const SMALL_ULONG = 0x53;
const ULONG = 0x80;
const AMQP_VALUE = 0x77;
const SHORT = new Set([0xa0, 0xa1]);
const LONG = new Set([0xb0, 0xb1]);

/** The text or bytes in a body that is one amqp-value section; any other body as it is. */
export function bodyOf(content: Buffer, type: unknown): Buffer {
  if (type !== ENCODED_BODY || content[0] !== DESCRIBED) return content;
  const at = endOfDescriptor(content);
  const code = content[at ?? content.length];
  if (at === undefined || code === undefined) return content;
  if (SHORT.has(code) && content.length >= at + 2) return exactly(content, at + 2, content.readUInt8(at + 1));
  if (LONG.has(code) && content.length >= at + 5)
    return exactly(content, at + 5, content.readUInt32BE(at + 1));
  return content;
}

/** Where the value of an amqp-value section begins; undefined for any other section. */
function endOfDescriptor(content: Buffer): number | undefined {
  if (content[1] === SMALL_ULONG) return content[2] === AMQP_VALUE ? 3 : undefined;
  if (content[1] !== ULONG || content.length < 10) return undefined;
  return content.readBigUInt64BE(2) === BigInt(AMQP_VALUE) ? 10 : undefined;
}

function exactly(content: Buffer, from: number, length: number): Buffer {
  return content.length === from + length ? content.subarray(from) : content;
}

/** Addresses of AMQP 1.0 that RabbitMQ does not turn into the name of a queue. */
const ADDRESS = /^\/(?:amq\/queue|queue)\/(.+)$/s;

/** The queue that a reply goes to: the one that an AMQP 1.0 address of version 1 names, or the text itself. */
export function replyQueueOf(replyTo: string): string {
  return ADDRESS.exec(replyTo)?.[1] ?? replyTo;
}

/** An AMQP 1.0 client that counts its messages begins at the same number on each connection. */
const COUNTER = /^\d{1,9}$/;

/** Whether a message id is no more than a number in a sequence, which says nothing about another request. */
export function isCounter(messageId: string): boolean {
  return COUNTER.test(messageId);
}

/** An id that RabbitMQ cannot put into a property of AMQP 0.9.1: bytes, or a text of over 255 bytes. */
export function idInHeader(headers: Readonly<Record<string, unknown>>, name: string): InHeader | undefined {
  const id = headers[name];
  return Buffer.isBuffer(id) || typeof id === "string" ? { header: id } : undefined;
}
