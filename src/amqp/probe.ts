import type { Channel, ChannelModel } from "amqplib";
import type { Config } from "../config/load.ts";
import type { BrokerNode } from "../wire/broker-node.ts";
import { withChannel } from "./with-channel.ts";
import { closeBroker, connectBroker } from "./connect.ts";
import { declareQueue, findQueueMismatch, QueueMismatchError } from "./topology.ts";
import { checkWritePermission } from "./write-permission.ts";

/** The product and version of a broker node. */
export interface NodeFacts {
  readonly product: string;
  readonly version: string;
}

/** RabbitMQ's permissions. */
export type Permission = "configure" | "read" | "write";

/** The state of a queue on the broker. */
export interface QueueFacts {
  readonly exists: boolean;
  readonly consumers: number;
  /** Set when the queue's properties differ from those that a worker declares. */
  readonly mismatch: QueueMismatchError | undefined;
  /** The permissions that a worker needs and this user lacks. */
  readonly denied: readonly Permission[];
}

/** The state of an exchange on the broker. */
export interface ExchangeFacts {
  readonly exists: boolean;
  readonly denied: readonly Permission[];
}

/** How many queues are probed in parallel: each needs a channel, and a user's limit may be low. */
const CONCURRENCY = 4;

/** Not a number: the broker rejects it after the check of the read permission and before any delivery. */
const INVALID_PRIORITY = "none";

/** Connects to a node and closes the connection; rejects with amqplib's error, or after `timeout` ms of silence. */
export async function probeNode(amqp: Config["amqp"], node: BrokerNode, timeout: number): Promise<NodeFacts> {
  return withConnection(amqp, node, timeout, async ({ connection }) => {
    const { product, version } = connection.serverProperties;
    return { product, version };
  });
}

/** Probes these queues on a node without changes: it declares no queue and consumes no message. */
export async function probeQueues(
  amqp: Config["amqp"],
  node: BrokerNode,
  queues: readonly string[],
  timeout: number,
): Promise<ReadonlyMap<string, QueueFacts>> {
  return withConnection(amqp, node, timeout, async (model) => {
    const facts = new Map<string, QueueFacts>();
    const waiting = [...queues];
    const work = async (): Promise<void> => {
      for (let queue = waiting.shift(); queue !== undefined; queue = waiting.shift())
        facts.set(queue, await probeQueue(model, queue, amqp.queues));
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    // In the order of `queues`, not of the answers.
    return new Map([...facts].sort(([one], [other]) => queues.indexOf(one) - queues.indexOf(other)));
  });
}

/** Checks whether this user may publish to an exchange ("" is the default one), and declare it if it is missing. */
export async function probeExchange(
  amqp: Config["amqp"],
  node: BrokerNode,
  exchange: string,
  routingKey: string,
  timeout: number,
): Promise<ExchangeFacts> {
  return withConnection(amqp, node, timeout, async (model) => {
    const exists =
      exchange === "" || (await codeOf(model, (channel) => channel.checkExchange(exchange))) !== 404;
    // The broker rejects this argument's type after the permission check and before it declares anything.
    const invalid = { durable: true, arguments: { "alternate-exchange": 1 } };
    const declaring = exists
      ? undefined
      : await codeOf(model, (channel) => channel.assertExchange(exchange, "topic", invalid));
    const writing = await checkWritePermission(model, exchange, routingKey).then(() => undefined, readCode);
    return {
      exists,
      denied: [
        ...(declaring === 403 ? ["configure" as const] : []),
        ...(writing === 403 ? ["write" as const] : []),
      ],
    };
  });
}

/** Opens and closes one connection per entry with this number of channels; returns the error if the broker refuses. */
export async function probeCapacity(
  amqp: Config["amqp"],
  node: BrokerNode,
  channels: readonly number[],
  timeout: number,
): Promise<Error | undefined> {
  const models: ChannelModel[] = [];
  let closed: Error | undefined;
  try {
    for (const wanted of channels) {
      const model = await connectBroker(amqp, node, { purpose: "doctor", timeout });
      model.on("error", (error: Error) => (closed ??= error));
      models.push(model);
      for (let count = 0; count < wanted; count++) await model.createChannel();
    }
    return undefined;
  } catch (error) {
    return closed ?? (error instanceof Error ? error : new Error(String(error)));
  } finally {
    await Promise.all(models.map(closeBroker));
  }
}

async function withConnection<T>(
  amqp: Config["amqp"],
  node: BrokerNode,
  timeout: number,
  run: (model: ChannelModel) => Promise<T>,
): Promise<T> {
  const model = await connectBroker(amqp, node, { purpose: "doctor", timeout });
  let closed: Error | undefined;
  model.on("error", (error: Error) => (closed ??= error));
  try {
    return await run(model);
  } catch (error) {
    throw closed ?? error; // the broker's reason for closing the connection says more
  } finally {
    await closeBroker(model);
  }
}

async function probeQueue(
  model: ChannelModel,
  queue: string,
  profile: Config["amqp"]["queues"],
): Promise<QueueFacts> {
  const found = await consumersOf(model, queue);
  const exists = found !== undefined;
  const consumers = found ?? 0;
  const declared = exists
    ? await errorOf(model, (channel) => declareQueue(channel, queue, profile)) // no effect on an equal queue
    : await errorOf(model, (channel) => channel.assertQueue(queue, { durable: true, messageTtl: -1 })); // invalid TTL
  const mismatch =
    exists && declared instanceof Error
      ? declared instanceof QueueMismatchError
        ? declared
        : findQueueMismatch(declared, queue, profile)
      : undefined;
  if (mismatch !== undefined) return { exists, consumers, mismatch, denied: [] };
  if (exists && declared instanceof Error && readCode(declared) !== 403) throw declared;
  const consuming = await codeOf(model, (channel) =>
    channel.consume(queue, () => undefined, { arguments: { "x-priority": INVALID_PRIORITY } }),
  );
  const denied: Permission[] = [];
  if (readCode(declared) === 403) denied.push("configure");
  if (consuming === 403) denied.push("read");
  return { exists, consumers, mismatch: undefined, denied };
}

/** The number of consumers; 0 when another connection uses the queue exclusively, undefined when there is no queue. */
async function consumersOf(model: ChannelModel, queue: string): Promise<number | undefined> {
  let consumers = 0;
  const error = await errorOf(model, async (channel) => {
    consumers = (await channel.checkQueue(queue)).consumerCount;
  });
  return readCode(error) === 404 ? undefined : consumers;
}

async function codeOf(
  model: ChannelModel,
  run: (channel: Channel) => Promise<unknown>,
): Promise<number | undefined> {
  return readCode(await errorOf(model, run));
}

/** The broker's error for a call, or a QueueMismatchError; undefined on success. Throws other errors. */
async function errorOf(model: ChannelModel, run: (channel: Channel) => Promise<unknown>): Promise<unknown> {
  try {
    await withChannel(model, run);
    return undefined;
  } catch (error) {
    if (readCode(error) === undefined && !(error instanceof QueueMismatchError)) throw error;
    return error;
  }
}

function readCode(error: unknown): number | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : undefined;
}
