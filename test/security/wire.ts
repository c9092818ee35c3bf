import { randomUUID } from "node:crypto";
import { type Channel, type ChannelModel, connect, type ConsumeMessage, type Options } from "amqplib";
import { noteMessage, noteReply } from "../secrets/notes.ts";

/** The attacker's connection: sends arbitrary bytes and properties, and keeps every reply. */
export interface Wire extends AsyncDisposable {
  /** Publishes; the properties may override `reply_to`, the reply queue by default. Returns the correlation id. */
  send(queue: string, body: Uint8Array, properties?: Options.Publish): string;
  /** Like `send` with a binary correlation id, without the client library; returns the id as replies contain it. */
  sendRaw(queue: string, body: Uint8Array, correlationId: Uint8Array): string;
  /** Publishes on its own channel, and returns the error with which the broker closes that channel. */
  sendRefused(queue: string, body: Uint8Array, properties: Options.Publish): Promise<Error>;
  /** The first reply with this correlation id; waits for it. */
  firstReply(correlationId: string): Promise<ConsumeMessage>;
  /** Number of replies with this correlation id so far. */
  countReplies(correlationId: string): number;
}

/** The id of a reply without correlation id. */
export const NO_ID = "undefined";

/** Longer than a worker may take, in milliseconds. */
const REPLY_TIMEOUT = 10_000;
const MAX_SHORT_TEXT = 255;
const FRAME_END = 0xce;

/** Connects an attacker who may publish on the vhost of this URL. */
export async function connectWire(url: string): Promise<Wire> {
  const connection = await connect(url, { noDelay: true });
  connection.on("error", () => undefined);
  const channel = await connection.createChannel();
  channel.on("error", () => undefined);
  const { queue: replyTo } = await channel.assertQueue("", { exclusive: true });
  const replies = new Map<string, ConsumeMessage[]>();
  const waiting = new Map<string, (message: ConsumeMessage) => void>();
  await channel.consume(
    replyTo,
    (message) => {
      if (message === null) return;
      noteReply(message.content);
      const id = String(message.properties.correlationId);
      const known = replies.get(id);
      if (known === undefined) replies.set(id, [message]);
      else known.push(message);
      waiting.get(id)?.(message);
    },
    { noAck: true },
  );
  return {
    send(queue, body, properties = {}) {
      const { correlationId = randomUUID() } = properties as { correlationId?: string };
      noteMessage(body);
      channel.publish("", queue, Buffer.from(body), { replyTo, ...properties, correlationId });
      return correlationId;
    },
    sendRaw(queue, body, correlationId) {
      writeMessage(connection, channel, { queue, body, correlationId, replyTo });
      const text = Buffer.from(correlationId).toString();
      return Buffer.byteLength(text) > MAX_SHORT_TEXT ? NO_ID : text;
    },
    async sendRefused(queue, body, properties) {
      const own = await connection.createChannel();
      const { promise: refused, resolve } = Promise.withResolvers<Error>();
      own.on("error", resolve);
      own.publish("", queue, Buffer.from(body), { replyTo, ...properties });
      return refused;
    },
    async firstReply(correlationId) {
      const known = replies.get(correlationId)?.[0];
      if (known !== undefined) return known;
      const { promise, resolve, reject } = Promise.withResolvers<ConsumeMessage>();
      const timer = setTimeout(() => reject(new Error("no reply")), REPLY_TIMEOUT);
      waiting.set(correlationId, resolve);
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
        waiting.delete(correlationId);
      }
    },
    countReplies: (correlationId) => replies.get(correlationId)?.length ?? 0,
    [Symbol.asyncDispose]: () => connection.close().catch(() => undefined),
  };
}

/** Writes the three frames of a message (AMQP 0-9-1, 4.2) with a binary correlation id. */
function writeMessage(
  connection: ChannelModel,
  channel: Channel,
  message: { queue: string; body: Uint8Array; correlationId: Uint8Array; replyTo: string },
): void {
  // Missing in amqplib's types.
  const { ch } = channel as unknown as { ch: number };
  const { stream } = connection.connection as unknown as { stream: NodeJS.WritableStream };
  const { queue, body, correlationId, replyTo } = message;
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(body.length));
  const method = [Buffer.from([0, 60, 0, 40, 0, 0]), shortText(""), shortText(queue), Buffer.from([0])];
  // The flags of correlation_id and reply_to.
  const flags = Buffer.from([0x06, 0x00]);
  const header = [Buffer.from([0, 60, 0, 0]), size, flags, shortText(correlationId), shortText(replyTo)];
  stream.write(Buffer.concat([frame(1, ch, method), frame(2, ch, header), frame(3, ch, [body])]));
}

function shortText(text: string | Uint8Array): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

function frame(type: number, channel: number, parts: readonly Uint8Array[]): Buffer {
  const payload = Buffer.concat(parts);
  const head = Buffer.alloc(7);
  head.writeUInt8(type, 0);
  head.writeUInt16BE(channel, 1);
  head.writeUInt32BE(payload.length, 3);
  return Buffer.concat([head, payload, Buffer.from([FRAME_END])]);
}
