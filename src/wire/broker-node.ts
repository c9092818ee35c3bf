import { isIPv6 } from "node:net";

/** One node of the broker. */
export interface BrokerNode {
  readonly host: string;
  readonly port: number;
}

/** The default ports of a broker. */
export const PORT = 5672;
export const TLS_PORT = 5671;

/** A host without the characters that belong to a URL, a list or an IPv6 address; then the port. */
const NODE = /^(?:\[(?<v6>[^\]]+)\]|(?<name>[^\s:/[\]@?#,;]+))(?::(?<port>[1-9]\d{0,4}))?$/;

/** Reads `host`, `host:port`, `[v6]` or `[v6]:port`; undefined when the text is none of them. */
export function parseNode(text: string, defaultPort: number): BrokerNode | undefined {
  const { v6, name, port } = NODE.exec(text)?.groups ?? {};
  const host = v6 ?? name;
  if (host === undefined || (v6 !== undefined && !isIPv6(v6)) || Number(port ?? 1) > 65_535) return undefined;
  return { host, port: port === undefined ? defaultPort : Number(port) };
}

/** A node as people write it: `host:port`, an IPv6 address in brackets. */
export function formatNode({ host, port }: BrokerNode): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
