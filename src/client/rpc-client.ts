import { randomUUID } from "node:crypto";
import { type ChannelModel, type ConfirmChannel, connect, type ConsumeMessage, type Message } from "amqplib";

/** So long a client may take until it is connected, to whichever node, in milliseconds. */
const CONNECT_TIMEOUT = 5000;

interface Node {
  readonly host: string;
  readonly port: number;
}

/** Where the broker is. */
export interface BrokerAddress {
  /** In the order to try them. */
  readonly nodes: readonly Node[];
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
  /** PEM of the broker's CA; given, the connection is TLS. */
  readonly ca?: Buffer | undefined;
}

/** A worker's answer. */
export interface RpcReply {
  readonly resp_code: number;
  readonly resp_data: unknown;
}

/** No reply came: the broker or the queue is not there, nobody answered in time, or the answer is no reply. */
export class NoReplyError extends Error {
  override readonly name = "NoReplyError";
}

/** Calls queues over one connection, replies by direct reply-to. */
export interface RpcClient extends AsyncDisposable {
  /** The reply to a body of JSON within `timeout` ms, or a NoReplyError; a key makes a repeat one. */
  call(queue: string, body: string, timeout: number, key?: string): Promise<RpcReply>;
  /** Closes the connection; may be called twice. */
  close(): Promise<void>;
}

interface Waiting {
  readonly resolve: (reply: RpcReply) => void;
  readonly reject: (error: Error) => void;
}

/** A client connected to the first node that takes it; rejects with a NoReplyError when none has after five seconds. */
export async function connectRpc(address: BrokerAddress): Promise<RpcClient> {
  const connection = await connectAny(address);
  const waiting = new Map<string, Waiting>();
  const abandon = (reason: string): void => {
    for (const { reject } of waiting.values()) reject(new NoReplyError(reason));
    waiting.clear();
  };
  connection.on("error", () => undefined); // "close" follows
  connection.on("close", () => abandon("the connection to the broker was lost"));
  const channel = await openChannel(await connection.createConfirmChannel(), waiting);
  channel.on("error", () => undefined);
  channel.on("close", () => abandon("the broker closed the channel"));

  // A connection that is gone is closed.
  const close = (): Promise<void> => connection.close().catch(() => undefined);

  return {
    async call(queue, body, timeout, key) {
      const id = randomUUID();
      const { promise, resolve, reject } = Promise.withResolvers<RpcReply>();
      const timer = setTimeout(() => reject(new NoReplyError(`no reply within ${timeout} ms`)), timeout);
      waiting.set(id, { resolve, reject });
      try {
        channel.publish("", queue, Buffer.from(body), {
          correlationId: id,
          ...(key === undefined ? {} : { messageId: key }),
          replyTo: "amq.rabbitmq.reply-to",
          contentType: "application/json",
          mandatory: true,
          expiration: timeout,
        });
        return await promise;
      } finally {
        clearTimeout(timer);
        waiting.delete(id);
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function connectAny(address: BrokerAddress): Promise<ChannelModel> {
  const { nodes } = address;
  const deadline = performance.now() + CONNECT_TIMEOUT;
  const errors: unknown[] = [];
  for (const [index, node] of nodes.entries()) {
    try {
      // One that hangs must leave time for those behind it.
      return await connectTo(node, address, (deadline - performance.now()) / (nodes.length - index));
    } catch (error) {
      errors.push(error);
    }
  }
  const places = nodes.map(({ host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}`);
  throw new NoReplyError(`cannot connect to the broker at ${places.join(", ")}`, {
    cause: new AggregateError(errors),
  });
}

function connectTo({ host, port }: Node, address: BrokerAddress, timeout: number): Promise<ChannelModel> {
  const { username, password, vhost, ca } = address;
  return connect(
    {
      protocol: ca === undefined ? "amqp" : "amqps",
      hostname: host,
      port,
      username,
      password,
      vhost: encodeURIComponent(vhost),
    },
    {
      noDelay: true,
      timeout: Math.max(1, Math.ceil(timeout)),
      ...(ca === undefined ? {} : { ca: [ca], rejectUnauthorized: true }),
    },
  );
}

async function openChannel(channel: ConfirmChannel, waiting: Map<string, Waiting>): Promise<ConfirmChannel> {
  const find = (message: Message): Waiting | undefined =>
    waiting.get(String(message.properties.correlationId));
  channel.on("return", (message) => {
    find(message)?.reject(
      new NoReplyError(`there is no queue ${message.fields.routingKey}: is a worker running?`),
    );
  });
  await channel.consume(
    "amq.rabbitmq.reply-to",
    (message: ConsumeMessage | null) => {
      if (message === null) return;
      const reply = parseReply(message.content.toString());
      if (reply === undefined) find(message)?.reject(new NoReplyError("the answer is not a reply of authmq"));
      else find(message)?.resolve(reply);
    },
    { noAck: true },
  );
  return channel;
}

function parseReply(text: string): RpcReply | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("resp_code" in value) || !("resp_data" in value))
      return undefined;
    return typeof value.resp_code === "number"
      ? { resp_code: value.resp_code, resp_data: value.resp_data }
      : undefined;
  } catch {
    return undefined;
  }
}
