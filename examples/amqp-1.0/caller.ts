/**
 * Calls authmq over AMQP 1.0, which RabbitMQ 4 supports natively, with a message ID and no correlation ID:
 * npm install rhea; node caller.ts
 */
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import type { Connection, EventContext, Receiver, Sender } from "rhea";

// rhea is a CommonJS package.
const { create_container } = createRequire(import.meta.url)("rhea") as typeof import("rhea");

const { hostname, port, username, password, pathname } = new URL(
  process.env["AMQP_URL"] ?? "amqp://guest:guest@127.0.0.1:5672",
);
const vhost = decodeURIComponent(pathname.slice(1)) || "/";

/** The queue for replies; declare it like your other queues. */
const REPLIES = process.env["REPLY_QUEUE"] ?? "my-service.auth-replies";

const container = create_container();
const connection: Connection = container.connect({
  host: hostname,
  port: Number(port),
  username,
  password,
  // RabbitMQ reads the vhost from this field.
  hostname: `vhost:${vhost}`,
  reconnect: false,
});

const opened = (link: Sender | Receiver, event: string) =>
  new Promise((resolve) => link.once(event, resolve));

const receiver = connection.open_receiver(`/queues/${encodeURIComponent(REPLIES)}`);
await opened(receiver, "receiver_open");

async function call(queue: string, request: object): Promise<unknown> {
  const sender = connection.open_sender(`/queues/${queue}`);
  await opened(sender, "sendable");
  const id = randomUUID();
  const reply = new Promise<EventContext>((resolve) => {
    const onMessage = (context: EventContext): void => {
      if (context.message?.correlation_id !== id) return;
      receiver.off("message", onMessage);
      resolve(context);
    };
    receiver.on("message", onMessage);
  });
  // rhea sends a string body as an amqp-value section; authmq reads a data section too.
  sender.send({
    message_id: id,
    reply_to: `/queues/${encodeURIComponent(REPLIES)}`,
    body: JSON.stringify(request),
  });
  const { message } = await reply;
  sender.close();
  return JSON.parse(String((message?.body as { content: Buffer }).content));
}

console.log(JSON.stringify(await call("jwks", {})));
console.log(JSON.stringify(await call("user_get", { username: "alice", access_token: null })));
connection.close();
