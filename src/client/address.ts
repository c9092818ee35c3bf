import { type BrokerNode, PORT, TLS_PORT } from "../wire/broker-node.ts";
import type { TextSource } from "./text-source.ts";

/** The broker's address and credentials. */
export interface BrokerAddress {
  /** The nodes, in the order of attempts. */
  readonly nodes: readonly BrokerNode[];
  readonly username: string;
  readonly password: string;
  /** Instead of `password`: called for each connection, and again before a token that it returned expires. */
  readonly newPassword?: TextSource | undefined;
  readonly vhost: string;
  /** PEM of the broker's CA; turns on TLS. */
  readonly ca?: string | Buffer | undefined;
  /** Whether to use TLS; without `ca`, the CAs that Node trusts apply. */
  readonly tls?: boolean | undefined;
  /** Seconds; a connection that is silent for twice as long is closed. Default: the broker's value. */
  readonly heartbeat?: number | undefined;
  /** Shown in the broker's management UI. */
  readonly connectionName?: string | undefined;
}

/** Parses an AMQP URL; uses TLS for amqps:// or with a CA. Throws a TypeError that does not contain the password. */
export function parseUrl(text: string, hasCa = false): BrokerAddress {
  const address = URL.canParse(text) ? readUrl(new URL(text), hasCa) : undefined;
  if (address !== undefined) return address;
  throw new TypeError("the broker's url must look like amqp://user:password@host:5672/vhost, or amqps://");
}

function readUrl(url: URL, hasCa: boolean): BrokerAddress | undefined {
  const { protocol, hostname, port, username, password, pathname } = url;
  if (!["amqp:", "amqps:"].includes(protocol) || hostname === "") return undefined;
  const tls = protocol === "amqps:" || hasCa;
  const defaultPort = tls ? TLS_PORT : PORT;
  const node = { host: hostname.replaceAll(/[[\]]/g, ""), port: port === "" ? defaultPort : Number(port) };
  try {
    const [user, secret, vhost] = [username, password, pathname.slice(1)].map(decodeURIComponent);
    return {
      nodes: [node],
      username: user || "guest",
      password: secret || "guest",
      vhost: vhost || "/",
      tls,
    };
  } catch {
    return undefined; // an invalid percent-encoding
  }
}
