/**
 * Concurrent callers of a queue: they publish requests, receive replies by direct reply-to, and throw on an
 * unsuccessful reply. As cheap as amqplib allows.
 */
import { connect } from "amqplib";
import { closedLoop } from "./load.ts";
import { serveTasks } from "./loop.ts";

/** A request as JSON, and its queue. */
export interface Call {
  readonly queue: string;
  readonly body: string;
}

/** A measurement to run. */
export interface CallersTask {
  /** Sent in turn. */
  readonly calls: readonly Call[];
  readonly inFlight: number;
  readonly ms: number;
}

/** The beginning of a successful reply. */
const SUCCESS = '{"resp_code":200';

const { url } = JSON.parse(process.argv[2] ?? "{}") as { url: string };
const model = await connect(url, { noDelay: true });
const channel = await model.createChannel();
const waiting = new Map<string, (content: Buffer) => void>();
await channel.consume(
  "amq.rabbitmq.reply-to",
  (message) => {
    if (message === null) return;
    const id = String(message.properties.correlationId);
    waiting.get(id)?.(message.content);
    waiting.delete(id);
  },
  { noAck: true },
);
let count = 0;

await serveTasks(async (task) => {
  const { calls, inFlight, ms } = task as CallersTask;
  const requests = calls.map(({ queue, body }) => ({ queue, body: Buffer.from(body) }));
  return closedLoop(inFlight, ms, async (round) => {
    const { queue, body } = requests[round % requests.length]!;
    const correlationId = String(count++);
    const content = await new Promise<Buffer>((resolve) => {
      waiting.set(correlationId, resolve);
      channel.publish("", queue, body, { correlationId, replyTo: "amq.rabbitmq.reply-to" });
    });
    if (content.toString("latin1", 0, SUCCESS.length) !== SUCCESS)
      throw new Error(`${queue}: ${content.toString("utf8", 0, 300)}`);
  });
});
await model.close();
