import type { ChannelModel } from "amqplib";
import type { Config } from "../config/load.ts";
import { connectBroker } from "./connect.ts";

/** What a broker says of itself, and of the queues that were asked for. */
export interface BrokerFacts {
  readonly product: string;
  readonly version: string;
  /** How many consumers each queue has; undefined where there is no such queue. */
  readonly consumers: ReadonlyMap<string, number | undefined>;
}

/** Connects once, changes nothing, and closes again; rejects as amqplib does, after `timeout` ms of silence. */
export async function probeBroker(
  amqp: Config["amqp"],
  queues: readonly string[],
  timeout: number,
): Promise<BrokerFacts> {
  const model = await connectBroker(amqp, { purpose: "doctor", timeout });
  model.on("error", () => undefined); // whoever waits for an answer hears of it, too
  try {
    const { product, version } = model.connection.serverProperties;
    const counts = await Promise.all(
      queues.map(async (queue) => [queue, await countConsumers(model, queue)] as const),
    );
    return { product, version, consumers: new Map(counts) };
  } finally {
    await model.close().catch(() => undefined); // a connection that is gone is closed
  }
}

/** On a channel of its own, because the broker closes the one on which a queue is missing. */
async function countConsumers(model: ChannelModel, queue: string): Promise<number | undefined> {
  const channel = await model.createChannel();
  channel.on("error", () => undefined);
  try {
    return (await channel.checkQueue(queue)).consumerCount;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === 404) return undefined;
    throw error;
  }
}
