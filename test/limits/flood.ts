import { type ConfirmChannel, connect, type Options } from "amqplib";
import { waitUntil } from "../support/servers/scratch.ts";

/** One message of a flood. */
export interface Drop {
  readonly queue: string;
  readonly body: string | Uint8Array;
  readonly properties?: Options.Publish;
}

/** A caller that sends without pause, and counts the replies without keeping them. */
export interface Flooder extends AsyncDisposable {
  readonly channel: ConfirmChannel;
  /** Number of replies for each resp_code. */
  readonly replies: ReadonlyMap<number, number>;
  /** Publishes everything and waits for the broker's confirms; returns the number of bytes of the bodies. */
  send(drops: Iterable<Drop>): Promise<number>;
  /** Resolves when `count` replies have arrived since the start. */
  receivedReplies(count: number): Promise<void>;
  /** Resolves when its reply queue, which it does not read, contains `count` replies. */
  unreadReplies(count: number): Promise<void>;
}

/** Connects a flooder with its own reply queue, which it does not consume if `reads` is false. */
export async function startFlooder(url: string, { reads = true } = {}): Promise<Flooder> {
  const connection = await connect(url, { noDelay: true });
  connection.on("error", () => undefined);
  const channel = await connection.createConfirmChannel();
  const { queue: replyTo } = await channel.assertQueue("", { exclusive: true });
  const replies = new Map<number, number>();
  let count = 0;
  if (reads) {
    await channel.consume(
      replyTo,
      (message) => {
        if (message === null) return;
        count++;
        const code = Number(/"resp_code":(\d+)/.exec(message.content.toString())?.[1]);
        replies.set(code, (replies.get(code) ?? 0) + 1);
      },
      { noAck: true },
    );
  }
  return {
    channel,
    replies,
    async send(drops) {
      let bytes = 0;
      for (const { queue, body, properties } of drops) {
        const content = Buffer.from(body);
        bytes += content.length;
        if (!channel.publish("", queue, content, { replyTo, ...properties }))
          await new Promise((resolve) => channel.once("drain", resolve));
      }
      await channel.waitForConfirms();
      return bytes;
    },
    async receivedReplies(expected) {
      await waitUntil(`${expected} replies`, () => count >= expected, { seconds: 240 });
    },
    async unreadReplies(expected) {
      const isFilled = async (): Promise<boolean> =>
        (await channel.checkQueue(replyTo)).messageCount >= expected;
      await waitUntil(`${expected} unread replies`, isFilled, { seconds: 240 });
    },
    [Symbol.asyncDispose]: () => connection.close().catch(() => undefined),
  };
}
