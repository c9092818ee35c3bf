import type { InHeader } from "./reply.ts";

/** RabbitMQ sets this `type` when it passes an AMQP 1.0 body other than a data section to an AMQP 0.9.1 consumer. */
const ENCODED_BODY = "amqp-1.0";

/** Type codes of AMQP 1.0 (part 1, sections 1.2 and 1.6; part 3, section 3.2.8). */
const DESCRIBED = 0x00;
const SMALL_ULONG = 0x53;
const ULONG = 0x80;
const AMQP_VALUE = 0x77;
const SHORT = new Set([0xa0, 0xa1]);
const LONG = new Set([0xb0, 0xb1]);

/** Unwraps a body that is one amqp-value section with text or bytes; returns any other body unchanged. */
export function bodyOf(content: Buffer, type: unknown): Buffer {
  if (type !== ENCODED_BODY || content[0] !== DESCRIBED) return content;
  const at = endOfDescriptor(content);
  const code = content[at ?? content.length];
  if (at === undefined || code === undefined) return content;
  if (SHORT.has(code) && content.length >= at + 2)
    return sliceToEnd(content, at + 2, content.readUInt8(at + 1));
  if (LONG.has(code) && content.length >= at + 5)
    return sliceToEnd(content, at + 5, content.readUInt32BE(at + 1));
  return content;
}

/** Offset of the value in an amqp-value section; undefined for any other section. */
function endOfDescriptor(content: Buffer): number | undefined {
  if (content[1] === SMALL_ULONG) return content[2] === AMQP_VALUE ? 3 : undefined;
  if (content[1] !== ULONG || content.length < 10) return undefined;
  return content.readBigUInt64BE(2) === BigInt(AMQP_VALUE) ? 10 : undefined;
}

function sliceToEnd(content: Buffer, from: number, length: number): Buffer {
  return content.length === from + length ? content.subarray(from) : content;
}

/** AMQP 1.0 addresses (version 1) that RabbitMQ does not translate into a queue name. */
const ADDRESS = /^\/(?:amq\/queue|queue)\/(.+)$/s;

/** The queue name in an AMQP 1.0 address of version 1; any other text unchanged. */
export function replyQueueOf(replyTo: string): string {
  return ADDRESS.exec(replyTo)?.[1] ?? replyTo;
}

/** AMQP 1.0 clients that number their messages start at the same number on each connection. */
const COUNTER = /^\d{1,9}$/;

/** Whether a message ID is a mere sequence number. Clients share such IDs, so it cannot be an idempotency key. */
export function isCounter(messageId: string): boolean {
  return COUNTER.test(messageId);
}

/** The ID in this header: RabbitMQ puts IDs there that fit no AMQP 0.9.1 property (bytes, or text over 255 bytes). */
export function headerIdOf(headers: Readonly<Record<string, unknown>>, name: string): InHeader | undefined {
  const id = headers[name];
  return Buffer.isBuffer(id) || typeof id === "string" ? { header: id } : undefined;
}
