import { randomBytes } from "node:crypto";
import { connect } from "amqplib";
import { readBrokerUrl } from "../../src/config/broker-url.ts";
import { QUEUES } from "../../src/wire/queues.ts";
import { dockerComposeAnswers, startComposed } from "./compose.ts";
import { provideServers } from "../support/servers/sources.ts";
import { startRabbitMq } from "../support/servers/rabbitmq.ts";
import type { Scratch } from "../support/servers/scratch.ts";

const USUAL = "amqp://guest:guest@127.0.0.1:5672";

/** A broker for the demo. */
export interface Broker {
  readonly url: URL;
  /** Where it comes from, as text. */
  readonly origin: string;
}

/** Finds a running broker: the one in AMQP_URL, or one on the default port of this machine. */
export async function findBroker(): Promise<Broker | undefined> {
  const given = process.env["AMQP_URL"] ?? "";
  const url = given === "" ? USUAL : given;
  const [error] = readBrokerUrl(url).faults;
  if (error !== undefined) throw new Error(`AMQP_URL ${error}`);
  try {
    await (await connect(url, { timeout: 3_000 })).close();
    return { url: new URL(url), origin: given === "" ? "found on its default port" : "named by AMQP_URL" };
  } catch (error) {
    if (given === "") return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`cannot use the RabbitMQ in AMQP_URL: ${reason}`, { cause: error });
  }
}

/** Starts a broker that is removed with the scratch folder; throws a one-line error that says what to install. */
export async function startBroker(scratch: Scratch, say: (line: string) => void): Promise<Broker> {
  if (await dockerComposeAnswers())
    return { url: await startComposed(scratch), origin: "started with docker compose" };
  await provideServers(say, ["rabbitmq"]);
  const { url, version } = await startRabbitMq(scratch);
  return { url: new URL(url), origin: `started for this demo, version ${version}` };
}

/** Unique names for all queues, so that the demo does not use existing ones. */
export function nameQueues(): Record<string, string> {
  const prefix = `demo-${randomBytes(3).toString("hex")}`;
  return Object.fromEntries(Object.entries(QUEUES).map(([queue, { key }]) => [key, `${prefix}.${queue}`]));
}

/** The names of the queues by their default names, as the client expects them. */
export function byQueue(names: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(QUEUES).map(([queue, { key }]) => [queue, names[key] ?? queue]));
}

/** Deletes queues from a broker; does nothing if it cannot be reached. */
export async function deleteQueues({ url }: Broker, names: readonly string[]): Promise<void> {
  const connection = await connect(url.href, { timeout: 3_000 }).catch(() => undefined);
  if (connection === undefined) return;
  connection.on("error", () => undefined);
  const channel = await connection.createChannel();
  for (const name of names) await channel.deleteQueue(name);
  await connection.close();
}
