/** One node of the broker. */
export interface BrokerNode {
  readonly host: string;
  readonly port: number;
}

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
  /** Shown in the broker's management pages. */
  readonly connectionName?: string | undefined;
}

const PORT = 5672;
const TLS_PORT = 5671;

/** The address in an AMQP URL; throws a TypeError that does not repeat its password. */
export function parseUrl(text: string): BrokerAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^amqps?:$/.test(url.protocol) || url.hostname === "")
    throw new TypeError("the broker's url must look like amqp://user:password@host:5672/vhost, or amqps://");
  const tls = url.protocol === "amqps:";
  const decode = decodeURIComponent;
  return {
    nodes: [
      {
        host: url.hostname.replaceAll(/[[\]]/g, ""),
        port: url.port === "" ? (tls ? TLS_PORT : PORT) : Number(url.port),
      },
    ],
    username: decode(url.username) || "guest",
    password: decode(url.password) || "guest",
    vhost: decode(url.pathname.slice(1)) || "/",
    tls,
  };
}

/** A node as people write it: `host:port`, an IPv6 address in brackets. */
export function formatNode({ host, port }: BrokerNode): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
