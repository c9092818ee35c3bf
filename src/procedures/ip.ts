import { isIPv4, isIPv6 } from "node:net";

const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/** The canonical form of an address (RFC 5952; an IPv4-mapped one as IPv4); undefined when it is none. */
export function canonicalIp(text: string): string | undefined {
  if (isIPv4(text)) return text;
  // A zone means something on one host only.
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const address = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const [, high, low] = MAPPED.exec(address) ?? [];
  if (high === undefined || low === undefined) return address;
  const bits = [high, low].map((part) => Number.parseInt(part, 16));
  return bits.flatMap((part) => [part >> 8, part & 0xff]).join(".");
}
