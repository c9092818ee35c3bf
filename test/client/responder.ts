import { connect, type ConsumeMessage } from "amqplib";
import { createVhost, deleteVhost } from "../support/rabbitmq.ts";

interface Reply {
  readonly resp_code: number;
  readonly resp_data: unknown;
}

/** A request as it came to a queue. */
export interface Received {
  readonly queue: string;
  readonly body: unknown;
  readonly properties: ConsumeMessage["properties"];
}

/** What answers requests as a test wants it, on a vhost of its own: a worker at its worst. */
export interface Responder extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly Received[];
  /** Begins to answer one more queue. */
  serve(queue: string): Promise<void>;
}

/** Answers what comes to some queues; undefined is no answer, and a text an answer that is no reply. */
export async function startResponder(
  queues: readonly string[],
  answer: (request: Received, index: number) => Reply | string | undefined,
): Promise<Responder> {
  const vhost = await createVhost();
  const connection = await connect(vhost.url, { noDelay: true });
  connection.on("error", () => undefined);
  const channel = await connection.createChannel();
  const received: Received[] = [];
  const serve = async (queue: string): Promise<void> => {
    await channel.assertQueue(queue);
    await channel.consume(
      queue,
      (message) => {
        if (message === null) return;
        const { content, properties } = message;
        const request = { queue, body: JSON.parse(content.toString()) as unknown, properties };
        const reply = answer(request, received.push(request) - 1);
        if (reply === undefined) return;
        const text = typeof reply === "string" ? reply : JSON.stringify(reply);
        const { replyTo, correlationId } = properties as { replyTo: string; correlationId: string };
        channel.sendToQueue(replyTo, Buffer.from(text), { correlationId });
      },
      { noAck: true },
    );
  };
  for (const queue of queues) await serve(queue);
  return {
    url: vhost.url,
    received,
    serve,
    async [Symbol.asyncDispose]() {
      await connection.close();
      await deleteVhost(vhost.name);
    },
  };
}

/** A reply that says it is done. */
export const done = (resp_data: unknown = { msg: "done" }): Reply => ({ resp_code: 200, resp_data });

/** A refusal. */
export const refused = (resp_code: number, error: string, more: object = {}): Reply => ({
  resp_code,
  resp_data: { msg: "a sentence", error, ...more },
});

/** The address of a vhost through another port of this host. */
export function through(port: number, url: string): string {
  const address = new URL(url);
  address.port = String(port);
  return address.href;
}
