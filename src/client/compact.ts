import { MAX_TOKEN_LENGTH } from "../wire/token-length.ts";

/** Header members that name or carry a key, or change what is signed (RFC 7515 section 4.1, RFC 7797). */
const REFUSED_MEMBERS = ["crit", "jwk", "jku", "x5u", "x5c", "b64"];

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

type Members = Readonly<Record<string, unknown>>;

/** What a token says of itself before its signature was checked: nothing in it can be believed yet. */
export interface UnverifiedToken {
  readonly typ: string;
  readonly alg: string;
  readonly kid: string | undefined;
  readonly payload: Members;
}

/**
 * Reads a JWS in compact form (RFC 7515 section 7.1) by the same rules as a worker; undefined when anything about it is
 * unusual.
 */
export function readCompact(text: string): UnverifiedToken | undefined {
  if (text.length > MAX_TOKEN_LENGTH) return undefined;
  const parts = text.split(".");
  if (parts.length !== 3 || !parts.every(isCanonicalBase64url)) return undefined;
  const [header, payload] = parts.map(objectIn);
  if (header === undefined || payload === undefined) return undefined;
  if (REFUSED_MEMBERS.some((name) => Object.hasOwn(header, name))) return undefined;
  const { typ, alg, kid } = header;
  if (typeof typ !== "string" || typeof alg !== "string") return undefined;
  if (kid !== undefined && typeof kid !== "string") return undefined;
  return { typ, alg, kid, payload };
}

/** One text per token: bits that a decoder drops would make many texts of the same token. */
function isCanonicalBase64url(part: string): boolean {
  return part !== "" && Buffer.from(part, "base64url").toString("base64url") === part;
}

/** The object that a part encodes; undefined for anything else, and where a member is named twice (RFC 8259 section 4). */
function objectIn(part: string): Members | undefined {
  try {
    const text = decoder.decode(Buffer.from(part, "base64url"));
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    // Of two members with one name JSON.parse keeps one. The text is JSON by now, so each colon outside a string is one.
    const colons = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, "").split(":").length - 1;
    return countMembers(value) === colons ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function countMembers(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const children: unknown[] = Object.values(value);
  const own = Array.isArray(value) ? 0 : children.length;
  return children.reduce<number>((sum, child) => sum + countMembers(child), own);
}
