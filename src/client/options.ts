import { PORT, TLS_PORT } from "../wire/broker-node.ts";
import { type QueueName, QUEUES } from "../wire/queues.ts";
import { type BrokerAddress, parseUrl } from "./address.ts";
import {
  a,
  checked,
  type Kind,
  flag,
  func,
  listOf,
  number,
  oneOf,
  optionsOf,
  string,
  text,
  textOrFunc,
} from "./check.ts";
import type { TextSource } from "./text-source.ts";

/** A broker URL: `amqp://user:password@host:5672/vhost`, or `amqps://`. */
export interface UrlOptions {
  readonly url: string;
}

/** The nodes of a broker cluster, in the order of attempts. */
export interface NodesOptions {
  readonly nodes: readonly { readonly host: string; readonly port?: number | undefined }[];
  readonly username: string;
  /** A function is called for each connection; if it returns a JWT, also at 70 % of its lifetime. */
  readonly password: string | TextSource;
  /** Default: `/`. */
  readonly vhost?: string | undefined;
  /** Whether to use TLS. Default: true with a `ca`, else false. */
  readonly tls?: boolean | undefined;
}

/** Options of `connect`. */
export type ConnectOptions = (UrlOptions | NodesOptions) & {
  /** PEM of the broker's CA; turns on TLS and the check of the broker's host name. */
  readonly ca?: string | Buffer | undefined;
  /** Queue names by default name, where the workers' `queue_settings` change them. */
  readonly queues?: Readonly<Partial<Record<QueueName, string>>> | undefined;
  /** Milliseconds for the first connection, and for each call with all its attempts. Default: 10000. */
  readonly timeout?: number | undefined;
  /** Shown in the broker's management UI. Default: `authmq client`. */
  readonly connectionName?: string | undefined;
  /** The name of this service, sent with each request as `app_id`. */
  readonly appId?: string | undefined;
  /** Called once for each call; returns headers to send, for example a trace context. */
  readonly headers?: (() => Readonly<Record<string, string>>) | undefined;
};

const ca = a("a PEM", (value) => (typeof value === "string" && value !== "") || value instanceof Uint8Array);

const common = {
  queues: optionsOf(Object.fromEntries(Object.keys(QUEUES).map((queue) => [queue, text]))),
  timeout: number,
  connectionName: string,
  appId: string,
  headers: func,
};

const port = a("a port", (value) => Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536);
const node = optionsOf({ host: text, port }, ["host"]);

/** The checks of options with a broker's address and these further options. */
export function addressKinds(
  more: Readonly<Record<string, Kind>>,
  required: readonly string[] = [],
): Readonly<Record<string, Kind>> {
  const all = { ca, ...more };
  const nodes = { nodes: listOf(node), username: text, password: textOrFunc, vhost: text, tls: flag };
  return {
    url: optionsOf({ url: text, ...all }, required),
    nodes: optionsOf({ ...nodes, ...all }, ["username", "password", ...required]),
  };
}

const kinds = oneOf(addressKinds(common));

/** Returns the options without undefined ones; throws a TypeError that names the invalid option. */
export function checkConnectOptions(options: ConnectOptions): ConnectOptions {
  return checked("connect", options, kinds);
}

/** In seconds: a silent connection is closed after 10 to 15 seconds. */
const HEARTBEAT = 5;

/** The broker's address; throws a TypeError for an invalid URL or an empty list of nodes. */
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
  const defaultPort = tls === true || ca !== undefined ? TLS_PORT : PORT;
  return {
    nodes: nodes.map(({ host, port = defaultPort }) => ({ host, port })),
    username,
    ...(typeof password === "string" ? { password } : { password: "", newPassword: password }),
    vhost,
    tls,
  };
}
