import { connect, type Options } from "amqplib";
import { closeBroker } from "../../src/amqp/connect.ts";
import { waitUntil } from "./servers/scratch.ts";

/** An event as a subscriber receives it. */
export interface ReceivedEvent {
  readonly routingKey: string;
  readonly contentType: string;
  readonly messageId: string;
  readonly persistent: boolean;
  readonly body: {
    readonly id: string;
    readonly type: string;
    readonly source: string;
    readonly subject?: string;
    readonly time: string;
    readonly sequence: string;
    readonly specversion: string;
    readonly datacontenttype: string;
    readonly data: Readonly<Record<string, unknown>>;
  };
}

/** A subscriber to the event exchange. */
export interface EventListener extends AsyncDisposable {
  /** All events so far. */
  readonly events: readonly ReceivedEvent[];
  /** The types of events about a user (or, if undefined, about none), once there are at least `count`. */
  typesOf(username: string | undefined, count: number): Promise<string[]>;
  /** The first event of a type about a user; waits for it. */
  first(type: string, username: string): Promise<ReceivedEvent>;
}

/** Subscribes to all events of a vhost. */
export async function listenForEvents(
  url: string,
  { exchange = "auth.events", queue = {} }: { exchange?: string; queue?: Options.AssertQueue } = {},
): Promise<EventListener> {
  const connection = await connect(url);
  connection.on("error", () => undefined);
  const channel = await connection.createChannel();
  channel.on("error", () => undefined);
  await channel.assertExchange(exchange, "topic", { durable: true });
  const { queue: name } = await channel.assertQueue("", { exclusive: true, ...queue });
  await channel.bindQueue(name, exchange, "#");
  const events: ReceivedEvent[] = [];
  await channel.consume(
    name,
    (message) => {
      if (message === null) return;
      const { routingKey } = message.fields;
      const { contentType, messageId, deliveryMode } = message.properties as unknown as Record<
        string,
        unknown
      >;
      events.push({
        routingKey,
        contentType: contentType as string,
        messageId: messageId as string,
        persistent: deliveryMode === 2,
        body: JSON.parse(message.content.toString()) as ReceivedEvent["body"],
      });
    },
    { noAck: true },
  );
  const about = (username: string | undefined) => events.filter(({ body }) => body.subject === username);
  return {
    events,
    async typesOf(username, count) {
      await waitUntil(`${count} events about ${username}`, () => about(username).length >= count, {
        seconds: 20,
      });
      return about(username).map(({ body }) => body.type);
    },
    first: (type, username) =>
      waitUntil(`${type} about ${username}`, () => about(username).find(({ body }) => body.type === type), {
        seconds: 20,
      }),
    [Symbol.asyncDispose]: () => closeBroker(connection),
  };
}
