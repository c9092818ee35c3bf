import { connect, type ConsumeMessage } from "amqplib";
import { createVhost, deleteVhost } from "../support/rabbitmq.ts";

interface Reply {
  readonly resp_code: number;
  readonly resp_data: unknown;
}

/** A request as a queue received it. */
export interface Received {
  readonly queue: string;
  readonly body: unknown;
  readonly properties: ConsumeMessage["properties"];
}

/** A fake worker on its own vhost, which replies as a test wants, including malformed or no replies. */
export interface Responder extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly Received[];
  /** Consumes one more queue. */
  serve(queue: string): Promise<void>;
}

/**
 * Starts a fake worker; `answer` returns a reply, a text for a malformed reply, or undefined for no reply. `url` names
 * the vhost of another broker.
 */
export async function startResponder(
  queues: readonly string[],
  answer: (request: Received, index: number) => Reply | string | undefined,
  url?: string,
): Promise<Responder> {
  const vhost = url === undefined ? await createVhost() : { url, name: undefined };
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
      if (vhost.name !== undefined) await deleteVhost(vhost.name);
    },
  };
}

/** A successful reply. */
export const done = (resp_data: unknown = { msg: "done" }): Reply => ({ resp_code: 200, resp_data });

/** An error reply. */
export const refused = (resp_code: number, error: string, more: object = {}): Reply => ({
  resp_code,
  resp_data: { msg: "a sentence", error, ...more },
});

/** The URL with another port. */
export function through(port: number, url: string): string {
  const address = new URL(url);
  address.port = String(port);
  return address.href;
}
