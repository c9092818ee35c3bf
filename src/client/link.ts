import { randomUUID } from "node:crypto";
import type { ConfirmChannel, Message } from "amqplib";
import type { BrokerNode } from "../wire/broker-node.ts";
import type { BrokerAddress } from "./address.ts";
import { renewBrokerToken } from "./broker-token.ts";
import { dial, hangUp } from "./dial.ts";
import { NoReplyError } from "./errors.ts";
import type { Limit } from "./limit.ts";
import { parseReply, type RpcReply } from "./reply.ts";
import { Waiters } from "./waiters.ts";
import { deferred } from "../wire/deferred.ts";

/** RabbitMQ's direct reply-to: replies arrive on the same channel and need no queue. */
const REPLY_TO = "amq.rabbitmq.reply-to";

/** A request to send. */
export interface Outgoing {
  readonly queue: string;
  readonly body: string;
  /** The idempotency key. */
  readonly key?: string | undefined;
  readonly appId?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** One connection to one node, until it closes. */
export interface Link {
  /** Sends a request and resolves with the reply; rejects with a NoReplyError or the limit's reason. */
  request(message: Outgoing, limit: Limit): Promise<RpcReply>;
  /** Resolves with the reason when the connection closes; pending requests reject with the same error. */
  readonly lost: Promise<NoReplyError>;
  /** Closes the connection; complete on return, even if the broker hangs. */
  close(): Promise<void>;
}

interface Waiting {
  readonly resolve: (reply: RpcReply) => void;
  readonly reject: (error: Error) => void;
}

/** Connects to a node within a time limit. */
export async function openLink(address: BrokerAddress, node: BrokerNode, limit: Limit): Promise<Link> {
  const socket = new AbortController();
  try {
    return await limit.race(open(address, node, socket));
  } catch (error) {
    socket.abort();
    throw error;
  }
}

async function open(address: BrokerAddress, node: BrokerNode, socket: AbortController): Promise<Link> {
  const model = await dial(address, node, socket.signal);
  const lost = deferred<NoReplyError>();
  const waiting = new Map<string, Waiting>();
  let fault: NoReplyError | undefined;
  // A broker that is short of memory reads nothing: a request sent now might be executed after its timeout.
  let isBlocked = false;
  const unblocked = new Waiters<void>();
  const lose = (why: string): void => {
    fault ??= new NoReplyError(why, { isLost: true });
    lost.resolve(fault);
    for (const { reject } of waiting.values()) reject(fault);
    unblocked.resolve();
  };
  const close = async (): Promise<void> => {
    lose("the connection to the broker is closed"); // first, because amqplib throws on writes once it is closing
    await hangUp(model, socket);
  };
  // A closed channel, or one that rejected a message, may reject all others: reconnect to get a new one.
  const giveUp = (why: string): void => {
    lose(why);
    void close();
  };
  // "error" has the reason; "close" follows.
  model.on("error", ({ message }: Error) => lose(`the connection to the broker was lost: ${message}`));
  model.on("close", () => {
    lose("the connection to the broker was lost");
    socket.abort(); // a frozen broker never ends its side, and the socket would keep the process alive
  });
  model.on("blocked", () => (isBlocked = true));
  model.on("unblocked", () => {
    isBlocked = false;
    unblocked.resolve();
  });

  const { password: token, newPassword: newToken } = address;
  if (newToken !== undefined && token !== "") renewBrokerToken(model, { token, newToken });

  const channel = await model.createConfirmChannel();
  channel.on("error", (error: Error) => giveUp(`the broker closed the channel: ${error.message}`));
  channel.on("close", () => lose("the connection to the broker was lost"));
  await takeReplies(channel, waiting);

  return {
    lost: lost.promise,
    close,
    async request({ queue, body, key, appId, headers }, limit) {
      if (isBlocked) await unblocked.wait(limit);
      if (fault !== undefined) throw fault;
      const id = randomUUID();
      const { promise, resolve, reject } = deferred<RpcReply>();
      waiting.set(id, { resolve, reject });
      try {
        const properties = {
          correlationId: id,
          replyTo: REPLY_TO,
          contentType: "application/json",
          mandatory: true,
          expiration: limit.left,
          ...(key === undefined ? {} : { messageId: key }),
          ...(appId === undefined ? {} : { appId }),
          ...(headers === undefined ? {} : { headers }),
        };
        channel.publish("", queue, Buffer.from(body), properties, (error) => {
          if (error !== null) giveUp("the broker did not accept the request");
        });
        return await limit.race(promise);
      } finally {
        waiting.delete(id);
      }
    },
  };
}

/** Settles the pending request of each reply and each returned message. */
async function takeReplies(channel: ConfirmChannel, waiting: ReadonlyMap<string, Waiting>): Promise<void> {
  const find = ({ properties }: Message): Waiting | undefined =>
    waiting.get(String(properties.correlationId));
  channel.on("return", (message) => {
    const why = `there is no queue ${message.fields.routingKey}: is a worker running?`;
    find(message)?.reject(new NoReplyError(why, { isLost: true }));
  });
  const take = (message: Message | null): void => {
    if (message === null) return;
    const reply = parseReply(message.content.toString());
    if (reply === undefined)
      find(message)?.reject(
        new NoReplyError("the reply is not from authmq: check which program consumes the queue", {
          respCode: 502,
        }),
      );
    else find(message)?.resolve(reply);
  };
  await channel.consume(REPLY_TO, take, { noAck: true });
}
