import { PORT, TLS_PORT } from "../wire/broker-node.ts";
import { type QueueName, QUEUES } from "../wire/queues.ts";
import { type BrokerAddress, parseUrl } from "./address.ts";
import { a, checked, flag, func, listOf, number, oneOf, optionsOf, string, text } from "./check.ts";

/** The broker by its URL: `amqp://user:password@host:5672/vhost`, or `amqps://`. */
export interface UrlOptions {
  readonly url: string;
}

/** The broker by the nodes of its cluster, in the order to try them. */
export interface NodesOptions {
  readonly nodes: readonly { readonly host: string; readonly port?: number | undefined }[];
  readonly username: string;
  readonly password: string;
  /** `/` unless given. */
  readonly vhost?: string | undefined;
  /** Whether the connection is TLS; it is where a `ca` is given. */
  readonly tls?: boolean | undefined;
}

/** How `connect` is set up. */
export type ConnectOptions = (UrlOptions | NodesOptions) & {
  /** PEM of the broker's CA; given, the connection is TLS and the broker's name is checked. */
  readonly ca?: string | Buffer | undefined;
  /** Other names of queues, by their default names, as in the workers' `queue_settings`. */
  readonly queues?: Readonly<Partial<Record<QueueName, string>>> | undefined;
  /** Milliseconds for the connection, and for each call with all its attempts: 10000 unless given. */
  readonly timeout?: number | undefined;
  /** Shown in the broker's management pages: `authmq client` unless given. */
  readonly connectionName?: string | undefined;
  /** The name of this service, sent along with each request. */
  readonly appId?: string | undefined;
  /** Asked once for each call: headers to send along, those of a trace for example. */
  readonly headers?: (() => Readonly<Record<string, string>>) | undefined;
};

const common = {
  ca: a("a PEM", (value) => (typeof value === "string" && value !== "") || value instanceof Uint8Array),
  queues: optionsOf(Object.fromEntries(Object.keys(QUEUES).map((queue) => [queue, text]))),
  timeout: number,
  connectionName: string,
  appId: string,
  headers: func,
};

const port = a("a port", (value) => Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536);
const node = optionsOf({ host: text, port }, ["host"]);

const kinds = oneOf({
  url: optionsOf({ url: text, ...common }),
  nodes: optionsOf(
    { nodes: listOf(node), username: text, password: string, vhost: text, tls: flag, ...common },
    ["username", "password"],
  ),
});

/** The options without those that are undefined; throws a TypeError that names the one at fault. */
export function checkConnectOptions(options: ConnectOptions): ConnectOptions {
  return checked("connect", options, kinds);
}

/** Seconds: a connection that says nothing is given up after ten to fifteen. */
const HEARTBEAT = 5;

/** The address to connect to; throws a TypeError that says what is wrong. */
export function addressOf(options: ConnectOptions): BrokerAddress {
  const { ca, connectionName = "authmq client" } = options;
  const address = "url" in options ? parseUrl(options.url, ca !== undefined) : nodesOf(options);
  return {
    ...address,
    ca,
    connectionName,
    heartbeat: HEARTBEAT,
    tls: address.tls === true || ca !== undefined,
  };
}

function nodesOf({
  nodes,
  username,
  password,
  vhost = "/",
  tls,
  ca,
}: NodesOptions & { ca?: unknown }): BrokerAddress {
  if (nodes.length === 0) throw new TypeError("nodes must name at least one node of the broker");
  const usual = tls === true || ca !== undefined ? TLS_PORT : PORT;
  return { nodes: nodes.map(({ host, port = usual }) => ({ host, port })), username, password, vhost, tls };
}
