import type { Channel, ChannelModel } from "amqplib";
import type { BrokerNode } from "../config/broker-node.ts";
import type { Config } from "../config/load.ts";
import { connectBroker } from "./connect.ts";
import { declareQueue, findMisfit, QueueMisfitError } from "./topology.ts";

/** What a node of the broker says of itself. */
export interface NodeFacts {
  readonly product: string;
  readonly version: string;
}

/** A queue that is there. */
export interface QueueFacts {
  readonly consumers: number;
  /** Set when it was declared otherwise than a worker declares it. */
  readonly misfit: QueueMisfitError | undefined;
}

/** Connects to a node once and closes again; rejects as amqplib does, after `timeout` ms of silence. */
export async function probeNode(amqp: Config["amqp"], node: BrokerNode, timeout: number): Promise<NodeFacts> {
  return withConnection(amqp, node, timeout, async ({ connection }) => {
    const { product, version } = connection.serverProperties;
    return { product, version };
  });
}

/** What a node says of these queues, undefined of one that is not there; makes none. */
export async function probeQueues(
  amqp: Config["amqp"],
  node: BrokerNode,
  queues: readonly string[],
  timeout: number,
): Promise<ReadonlyMap<string, QueueFacts | undefined>> {
  return withConnection(amqp, node, timeout, async (model) => {
    const facts = await Promise.all(
      queues.map(async (queue) => [queue, await probeQueue(model, queue, amqp.queues)] as const),
    );
    return new Map(facts);
  });
}

async function withConnection<T>(
  amqp: Config["amqp"],
  node: BrokerNode,
  timeout: number,
  ask: (model: ChannelModel) => Promise<T>,
): Promise<T> {
  const model = await connectBroker(amqp, node, { purpose: "doctor", timeout });
  model.on("error", () => undefined); // whoever waits for an answer hears of it, too
  try {
    return await ask(model);
  } finally {
    await model.close().catch(() => undefined); // a connection that is gone is closed
  }
}

async function probeQueue(
  model: ChannelModel,
  queue: string,
  profile: Config["amqp"]["queues"],
): Promise<QueueFacts | undefined> {
  let consumers = 0;
  try {
    ({ consumerCount: consumers } = await (await openChannel(model)).checkQueue(queue));
    // The protocol shows no arguments; but to declare what is there tells whether they are equal, and changes nothing.
    await declareQueue(await openChannel(model), queue, profile);
    return { consumers, misfit: undefined };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === 404) return undefined;
    const misfit = error instanceof QueueMisfitError ? error : findMisfit(error, queue, profile);
    if (misfit === undefined) throw error;
    return { consumers, misfit };
  }
}

/** The broker closes a channel on which something is refused: each question has its own. */
async function openChannel(model: ChannelModel): Promise<Channel> {
  const channel = await model.createChannel();
  channel.on("error", () => undefined);
  return channel;
}
