import { isIPv4, isIPv6 } from "node:net";

const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/** The canonical form of an IP address (RFC 5952; IPv4-mapped as IPv4); undefined if the text is not an address. */
export function canonicalIp(text: string): string | undefined {
  if (isIPv4(text)) return text;
  // A zone index is valid on one host only.
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const address = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const [, high, low] = MAPPED.exec(address) ?? [];
  if (high === undefined || low === undefined) return address;
  const bits = [high, low].map((part) => Number.parseInt(part, 16));
  return bits.flatMap((part) => [part >> 8, part & 0xff]).join(".");
}
