import { setTimeout as sleep } from "node:timers/promises";
import { type Channel, type ChannelModel, connect, type ConsumeMessage, type Options } from "amqplib";
import { closeBroker } from "../../src/amqp/connect.ts";
import { noteMessage, noteReply } from "../secrets/notes.ts";
import { waitUntil } from "./servers/scratch.ts";

/** A caller that publishes arbitrary bytes and properties, and keeps every reply. */
export interface RawCaller extends AsyncDisposable {
  readonly connection: ChannelModel;
  readonly channel: Channel;
  /** The exclusive queue for its replies. */
  readonly replyQueue: string;
  readonly replies: readonly ConsumeMessage[];
  /** Publishes to a queue; the properties may override `reply_to`, which is the reply queue by default. */
  publish(queue: string, body: string | Uint8Array, properties?: Options.Publish): void;
  /** The first reply with this correlation id; waits for it. */
  firstReply(correlationId: string): Promise<ConsumeMessage>;
  /** The replies with this correlation id, once there is one and no other arrived for 300 ms. */
  settledReplies(correlationId: string): Promise<ConsumeMessage[]>;
}

/** Connects a raw caller to the vhost of this URL. */
export async function connectRaw(url: string): Promise<RawCaller> {
  const connection = await connect(url, { noDelay: true });
  connection.on("error", () => undefined);
  const channel = await connection.createChannel();
  channel.on("error", () => undefined);
  const { queue: replyQueue } = await channel.assertQueue("", { exclusive: true });
  const replies: ConsumeMessage[] = [];
  await channel.consume(
    replyQueue,
    (message) => {
      if (message === null) return;
      noteReply(message.content);
      replies.push(message);
    },
    { noAck: true },
  );
  const repliesTo = (correlationId: string): ConsumeMessage[] =>
    replies.filter(
      ({ properties }) => (properties as { correlationId?: unknown }).correlationId === correlationId,
    );
  const firstReply = (correlationId: string): Promise<ConsumeMessage> =>
    waitUntil(`a reply to ${correlationId}`, () => repliesTo(correlationId)[0], { seconds: 15 });
  return {
    connection,
    channel,
    replyQueue,
    replies,
    publish(queue, body, properties = {}) {
      noteMessage(body);
      channel.publish("", queue, Buffer.from(body), { replyTo: replyQueue, ...properties });
    },
    firstReply,
    async settledReplies(correlationId) {
      await firstReply(correlationId);
      await sleep(300); // nothing signals that no further reply comes
      return repliesTo(correlationId);
    },
    [Symbol.asyncDispose]: () => closeBroker(connection),
  };
}

/** The JSON body of a reply. */
export function bodyOf(message: ConsumeMessage | undefined): {
  resp_code: number;
  resp_data: Record<string, unknown>;
} {
  if (message === undefined) throw new Error("no reply");
  return JSON.parse(message.content.toString()) as { resp_code: number; resp_data: Record<string, unknown> };
}
