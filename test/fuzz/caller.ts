import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { type Channel, connect, type ConsumeMessage } from "amqplib";
import { noteReply } from "../secrets/notes.ts";
import type { Properties } from "./message.ts";
import { readCorrelationIds } from "./correlation-ids.ts";
import { publishFrames } from "./wire.ts";

/** A reply, with the raw bytes of its correlation id. */
export interface FuzzReply extends Pick<ConsumeMessage, "content" | "properties"> {
  readonly correlationId: Buffer | undefined;
}

/** Sends requests as raw bytes; each slot has its own reply queue, so a reply belongs to its slot's request. */
export interface FuzzCaller extends AsyncDisposable {
  /** The first reply to a request in this slot; undefined if none arrives within `timeout` milliseconds. */
  send(
    slot: number,
    queue: string,
    message: { properties: Properties; body: Uint8Array },
    timeout: number,
  ): Promise<FuzzReply | undefined>;
  /** All replies to a slot since the slots were last emptied. */
  repliesOf(slot: number): readonly FuzzReply[];
  empty(): void;
}

/** Connects a caller with this number of slots to the vhost of the URL. */
export async function connectCaller(url: string, slots: number): Promise<FuzzCaller> {
  const connection = await connect(url, { noDelay: true });
  const { promise: refused, reject: refuse } = Promise.withResolvers<never>();
  refused.catch(() => undefined);
  connection.on("error", refuse);
  const receiving = await connection.createChannel();
  const sending = await connection.createChannel();
  for (const channel of [receiving, sending]) channel.on("error", refuse);
  const channel = numberOf(sending);
  const stream = streamOf(connection.connection);
  const correlationIds = readCorrelationIds(stream);
  const user = decodeURIComponent(new URL(url).username);
  const replies: FuzzReply[][] = Array.from({ length: slots }, () => []);
  const waiting = new Map<number, (reply: FuzzReply) => void>();
  const queues = await Promise.all(
    replies.map(async (received, slot) => {
      const { queue } = await receiving.assertQueue("", { exclusive: true });
      const take = (message: ConsumeMessage | null): void => {
        if (message === null) return;
        noteReply(message.content);
        const reply = { ...message, correlationId: correlationIds.shift() };
        received.push(reply);
        waiting.get(slot)?.(reply);
        waiting.delete(slot);
      };
      await receiving.consume(queue, take, { noAck: true });
      return queue;
    }),
  );
  return {
    async send(slot, queue, { properties, body }, timeout) {
      const replyTo = queues[slot];
      if (replyTo === undefined) throw new RangeError(`slot ${slot} does not exist`);
      const { promise, resolve } = Promise.withResolvers<FuzzReply>();
      waiting.set(slot, resolve);
      stream.write(publishFrames({ channel, queue, replyTo, user }, properties, body));
      const limit = new AbortController();
      const late = sleep(timeout, undefined, { signal: limit.signal }).catch(() => undefined);
      try {
        return await Promise.race([promise, late, refused]);
      } finally {
        limit.abort();
      }
    },
    repliesOf: (slot) => replies[slot] ?? [],
    empty() {
      for (const received of replies) received.length = 0;
    },
    [Symbol.asyncDispose]: () => connection.close().catch(() => undefined),
  };
}

/** The channel's number in amqplib; missing in its types. */
function numberOf(channel: Channel): number {
  return (channel as unknown as { ch: number }).ch;
}

/** The socket of a connection; missing in amqplib's types. */
function streamOf(connection: object): Duplex {
  if ("stream" in connection && connection.stream instanceof Duplex) return connection.stream;
  throw new TypeError("amqplib's connection has no socket property");
}
