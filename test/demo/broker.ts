import { randomBytes } from "node:crypto";
import { connect } from "amqplib";
import { readBrokerUrl } from "../../src/config/broker-url.ts";
import { QUEUES } from "../../src/wire/queues.ts";
import { dockerComposeAnswers, startComposed } from "./compose.ts";
import { provideServers } from "../support/servers/install.ts";
import { startRabbitMq } from "../support/servers/rabbitmq.ts";
import type { Scratch } from "../support/servers/scratch.ts";

const USUAL = "amqp://guest:guest@127.0.0.1:5672";

/** A broker that the demo may use, and whose it is. */
export interface Broker {
  readonly url: URL;
  /** Where it comes from, in words. */
  readonly origin: string;
}

/** A broker that is there already: the one that AMQP_URL names, or the usual one on this machine. */
export async function findBroker(): Promise<Broker | undefined> {
  const given = process.env["AMQP_URL"] ?? "";
  const url = given === "" ? USUAL : given;
  const [fault] = readBrokerUrl(url).faults;
  if (fault !== undefined) throw new Error(`AMQP_URL ${fault}`);
  try {
    await (await connect(url, { timeout: 3_000 })).close();
    return { url: new URL(url), origin: given === "" ? "found on its usual port" : "named by AMQP_URL" };
  } catch (error) {
    if (given === "") return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`The RabbitMQ that AMQP_URL names cannot be used: ${reason}`, { cause: error });
  }
}

/** Starts a broker that lasts as long as the scratch; throws one line that says what to install. */
export async function startBroker(scratch: Scratch, say: (line: string) => void): Promise<Broker> {
  if (await dockerComposeAnswers())
    return { url: await startComposed(scratch), origin: "started with docker compose" };
  const { rabbitmq: mode } = await provideServers(say, ["rabbitmq"]);
  const { url, version } = await startRabbitMq(scratch, { mode });
  return { url: new URL(url), origin: `started for this demo, version ${version}` };
}

/** Names for all queues that are nobody else's. */
export function nameQueues(): Record<string, string> {
  const prefix = `demo-${randomBytes(3).toString("hex")}`;
  return Object.fromEntries(Object.entries(QUEUES).map(([queue, { key }]) => [key, `${prefix}.${queue}`]));
}

/** Deletes queues from a broker; does nothing where it has gone. */
export async function deleteQueues({ url }: Broker, names: readonly string[]): Promise<void> {
  const connection = await connect(url.href, { timeout: 3_000 }).catch(() => undefined);
  if (connection === undefined) return;
  connection.on("error", () => undefined);
  const channel = await connection.createChannel();
  for (const name of names) await channel.deleteQueue(name);
  await connection.close();
}
