/**
 * The bare cost of RPC: replies to each request with its content, parsed and serialised as JSON, and acknowledges it.
 */
import { once } from "node:events";
import { connect } from "amqplib";

/** Options of the process, as JSON on its command line. */
export interface EchoOptions {
  readonly url: string;
  readonly queue: string;
  readonly prefetch: number;
}

const { url, queue, prefetch } = JSON.parse(process.argv[2] ?? "{}") as EchoOptions;
const model = await connect(url, { noDelay: true });
const channel = await model.createChannel();
await channel.assertQueue(queue, { durable: true });
await channel.prefetch(prefetch);
await channel.consume(queue, (message) => {
  if (message === null) return;
  const { replyTo, correlationId } = message.properties as { replyTo: string; correlationId: string };
  const reply = { resp_code: 200, resp_data: JSON.parse(message.content.toString()) as unknown };
  channel.sendToQueue(replyTo, Buffer.from(JSON.stringify(reply)), {
    correlationId,
    contentType: "application/json",
  });
  channel.ack(message);
});
process.stdout.write("ready\n");
process.stdin.resume();
await once(process.stdin, "end");
await model.close();
