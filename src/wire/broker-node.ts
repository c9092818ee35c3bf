import { isIPv6 } from "node:net";

/** One node of the broker. */
export interface BrokerNode {
  readonly host: string;
  readonly port: number;
}

/** The default ports of a broker. */
export const PORT = 5672;
export const TLS_PORT = 5671;

/** A host without characters of URLs, lists and IPv6 addresses, then an optional port. */
const NODE = /^(?:\[(?<v6>[^\]]+)\]|(?<name>[^\s:/[\]@?#,;]+))(?::(?<port>[1-9]\d{0,4}))?$/;

/** Parses `host`, `host:port`, `[v6]` or `[v6]:port`; undefined for any other text. */
export function parseNode(text: string, defaultPort: number): BrokerNode | undefined {
  const { v6, name, port } = NODE.exec(text)?.groups ?? {};
  const host = v6 ?? name;
  if (host === undefined || (v6 !== undefined && !isIPv6(v6)) || Number(port ?? 1) > 65_535) return undefined;
  return { host, port: port === undefined ? defaultPort : Number(port) };
}

/** Formats a node as `host:port`, with an IPv6 address in brackets. */
export function formatNode({ host, port }: BrokerNode): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
