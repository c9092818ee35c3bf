import { type BrokerNode, PORT, TLS_PORT } from "../wire/broker-node.ts";

/** Where the broker is, and who connects. */
export interface BrokerAddress {
  /** In the order to try them. */
  readonly nodes: readonly BrokerNode[];
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
  /** PEM of the broker's CA; given, the connection is TLS. */
  readonly ca?: string | Buffer | undefined;
  /** Whether the connection is TLS also without a CA of one's own: those that Node trusts count. */
  readonly tls?: boolean | undefined;
  /** Seconds; a connection that says nothing for twice as long is dead. The broker's own choice unless given. */
  readonly heartbeat?: number | undefined;
  /** Shown in the broker's management pages. */
  readonly connectionName?: string | undefined;
}

/** The address in an AMQP URL, of TLS also where one has a CA; throws a TypeError that does not repeat its password. */
export function parseUrl(text: string, hasCa = false): BrokerAddress {
  const address = URL.canParse(text) ? readUrl(new URL(text), hasCa) : undefined;
  if (address !== undefined) return address;
  throw new TypeError("the broker's url must look like amqp://user:password@host:5672/vhost, or amqps://");
}

function readUrl(url: URL, hasCa: boolean): BrokerAddress | undefined {
  const { protocol, hostname, port, username, password, pathname } = url;
  if (!["amqp:", "amqps:"].includes(protocol) || hostname === "") return undefined;
  const tls = protocol === "amqps:" || hasCa;
  const usual = tls ? TLS_PORT : PORT;
  const node = { host: hostname.replaceAll(/[[\]]/g, ""), port: port === "" ? usual : Number(port) };
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
    return undefined; // a % that begins no character
  }
}
