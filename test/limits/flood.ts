import { type ConfirmChannel, connect, type Options } from "amqplib";
import { waitUntil } from "../support/servers/scratch.ts";

/** One message of a flood. */
export interface Drop {
  readonly queue: string;
  readonly body: string | Uint8Array;
  readonly properties?: Options.Publish;
}

/** Somebody who sends without pause, and counts the answers without keeping them. */
export interface Flooder extends AsyncDisposable {
  readonly channel: ConfirmChannel;
  /** How many replies came with each resp_code. */
  readonly answers: ReadonlyMap<number, number>;
  /** Publishes all, with the broker's confirms; gives the bytes of the bodies. */
  send(drops: Iterable<Drop>): Promise<number>;
  /** Resolves when so many replies have come since the beginning. */
  answered(count: number): Promise<void>;
  /** Resolves when so many replies lie in its reply queue, which it does not read. */
  filled(count: number): Promise<void>;
}

/** A flooder with a reply queue of its own, which nobody reads where `reads` is false. */
export async function startFlooder(url: string, { reads = true } = {}): Promise<Flooder> {
  const connection = await connect(url, { noDelay: true });
  connection.on("error", () => undefined);
  const channel = await connection.createConfirmChannel();
  const { queue: replyTo } = await channel.assertQueue("", { exclusive: true });
  const answers = new Map<number, number>();
  let count = 0;
  if (reads) {
    await channel.consume(
      replyTo,
      (message) => {
        if (message === null) return;
        count++;
        const code = Number(/"resp_code":(\d+)/.exec(message.content.toString())?.[1]);
        answers.set(code, (answers.get(code) ?? 0) + 1);
      },
      { noAck: true },
    );
  }
  return {
    channel,
    answers,
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
    async answered(wanted) {
      await waitUntil(`${wanted} replies`, () => count >= wanted, { seconds: 240 });
    },
    async filled(wanted) {
      const isFilled = async (): Promise<boolean> =>
        (await channel.checkQueue(replyTo)).messageCount >= wanted;
      await waitUntil(`${wanted} replies that nobody reads`, isFilled, { seconds: 240 });
    },
    [Symbol.asyncDispose]: () => connection.close().catch(() => undefined),
  };
}
