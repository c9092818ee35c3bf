import type { Channel, ChannelModel } from "amqplib";
import type { Config } from "../config/load.ts";
import type { BrokerNode } from "../wire/broker-node.ts";
import { askBroker } from "./ask-broker.ts";
import { connectBroker } from "./connect.ts";
import { declareQueue, findQueueMismatch, QueueMismatchError } from "./topology.ts";
import { checkWritePermission } from "./write-permission.ts";

/** What a node of the broker says of itself. */
export interface NodeFacts {
  readonly product: string;
  readonly version: string;
}

/** Permissions that this installation's user lacks. */
export type Permission = "configure" | "read" | "write";

/** What the broker says of a queue. */
export interface QueueFacts {
  readonly isThere: boolean;
  readonly consumers: number;
  /** Set when it was declared otherwise than a worker declares it. */
  readonly mismatch: QueueMismatchError | undefined;
  /** What a worker needs on it and this user may not. */
  readonly denied: readonly Permission[];
}

/** What the broker says of an exchange. */
export interface ExchangeFacts {
  readonly isThere: boolean;
  readonly denied: readonly Permission[];
}

/** Queues that are examined at the same time: each takes a channel, and a user may have few. */
const AT_ONCE = 4;

/** No number, which the broker refuses after it has checked the permission to read and before it delivers anything. */
const INVALID_PRIORITY = "none";

/** Connects to a node once and closes again; rejects as amqplib does, after `timeout` ms of silence. */
export async function probeNode(amqp: Config["amqp"], node: BrokerNode, timeout: number): Promise<NodeFacts> {
  return withConnection(amqp, node, timeout, async ({ connection }) => {
    const { product, version } = connection.serverProperties;
    return { product, version };
  });
}

/** What a node says of these queues; makes none, takes no message and changes nothing. */
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
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    // In the order that was asked for, not in that of the answers.
    return new Map([...facts].sort(([one], [other]) => queues.indexOf(one) - queues.indexOf(other)));
  });
}

/** Whether this user may publish to an exchange ("" is the default one), and declare it where it is missing. */
export async function probeExchange(
  amqp: Config["amqp"],
  node: BrokerNode,
  exchange: string,
  routingKey: string,
  timeout: number,
): Promise<ExchangeFacts> {
  return withConnection(amqp, node, timeout, async (model) => {
    const isThere =
      exchange === "" || (await codeOf(model, (channel) => channel.checkExchange(exchange))) !== 404;
    // An argument of the wrong type: refused after the permission is checked, and before anything is declared.
    const invalid = { durable: true, arguments: { "alternate-exchange": 1 } };
    const declaring = isThere
      ? undefined
      : await codeOf(model, (channel) => channel.assertExchange(exchange, "topic", invalid));
    const writing = await checkWritePermission(model, exchange, routingKey).then(() => undefined, readCode);
    return {
      isThere,
      denied: [
        ...(declaring === 403 ? ["configure" as const] : []),
        ...(writing === 403 ? ["write" as const] : []),
      ],
    };
  });
}

/** Opens connections with so many channels each, and closes them; the error where the broker refuses one. */
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
    await Promise.all(models.map((model) => model.close().catch(() => undefined)));
  }
}

async function withConnection<T>(
  amqp: Config["amqp"],
  node: BrokerNode,
  timeout: number,
  ask: (model: ChannelModel) => Promise<T>,
): Promise<T> {
  const model = await connectBroker(amqp, node, { purpose: "doctor", timeout });
  let closed: Error | undefined;
  model.on("error", (error: Error) => (closed ??= error));
  try {
    return await ask(model);
  } catch (error) {
    throw closed ?? error; // the broker's reason, where it has closed the connection
  } finally {
    await model.close().catch(() => undefined); // a connection that is gone is closed
  }
}

async function probeQueue(
  model: ChannelModel,
  queue: string,
  profile: Config["amqp"]["queues"],
): Promise<QueueFacts> {
  const found = await consumersOf(model, queue);
  const isThere = found !== undefined;
  const consumers = found ?? 0;
  const declared = isThere
    ? await refusalOf(model, (channel) => declareQueue(channel, queue, profile)) // equal to what is there: no change
    : await refusalOf(model, (channel) => channel.assertQueue(queue, { durable: true, messageTtl: -1 })); // never valid
  const mismatch =
    isThere && declared instanceof Error
      ? declared instanceof QueueMismatchError
        ? declared
        : findQueueMismatch(declared, queue, profile)
      : undefined;
  if (mismatch !== undefined) return { isThere, consumers, mismatch, denied: [] };
  if (isThere && declared instanceof Error && readCode(declared) !== 403) throw declared;
  const consuming = await codeOf(model, (channel) =>
    channel.consume(queue, () => undefined, { arguments: { "x-priority": INVALID_PRIORITY } }),
  );
  const denied: Permission[] = [];
  if (readCode(declared) === 403) denied.push("configure");
  if (consuming === 403) denied.push("read");
  return { isThere, consumers, mismatch: undefined, denied };
}

/** Undefined where there is no such queue. An exclusive one of another connection has one. */
async function consumersOf(model: ChannelModel, queue: string): Promise<number | undefined> {
  let consumers = 0;
  const error = await refusalOf(model, async (channel) => {
    consumers = (await channel.checkQueue(queue)).consumerCount;
  });
  return readCode(error) === 404 ? undefined : consumers;
}

async function codeOf(
  model: ChannelModel,
  ask: (channel: Channel) => Promise<unknown>,
): Promise<number | undefined> {
  return readCode(await refusalOf(model, ask));
}

/** The refusal of what is asked, if there is one. */
async function refusalOf(model: ChannelModel, ask: (channel: Channel) => Promise<unknown>): Promise<unknown> {
  try {
    await askBroker(model, ask);
    return undefined;
  } catch (error) {
    if (readCode(error) === undefined && !(error instanceof QueueMismatchError)) throw error;
    return error;
  }
}

function readCode(error: unknown): number | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : undefined;
}
