import { parseJsonObject } from "./json.ts";
import { MAX_TOKEN_LENGTH } from "./token-length.ts";

/** Header members that name or carry a key, or change what is signed (RFC 7515 section 4.1, RFC 7797). */
const REFUSED_MEMBERS = ["crit", "jwk", "jku", "x5u", "x5c", "b64"];

/** A parsed token whose signature is not verified yet: do not trust its contents. */
export interface UnverifiedToken {
  /** Media type in lower case, without the optional prefix `application/` (RFC 7515 section 4.1.9). */
  readonly typ: string;
  readonly alg: string;
  readonly kid: string | undefined;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Parses a JWS in compact form (RFC 7515 section 7.1) strictly; undefined when any part is invalid. */
export function readCompact(text: string): UnverifiedToken | undefined {
  if (text.length > MAX_TOKEN_LENGTH) return undefined;
  const parts = text.split(".");
  if (parts.length !== 3 || !parts.every(isCanonicalBase64url)) return undefined;
  const [first = "", second = ""] = parts;
  try {
    const header = parseJsonObject(Buffer.from(first, "base64url"));
    const payload = parseJsonObject(Buffer.from(second, "base64url"));
    if (REFUSED_MEMBERS.some((name) => Object.hasOwn(header, name))) return undefined;
    const { typ, alg, kid } = header;
    if (typeof typ !== "string" || typeof alg !== "string") return undefined;
    if (kid !== undefined && typeof kid !== "string") return undefined;
    return { typ: typ.toLowerCase().replace(/^application\//, ""), alg, kid, payload };
  } catch {
    return undefined;
  }
}

/** Rejects unused bits, which a decoder ignores: otherwise one token would have several spellings. */
function isCanonicalBase64url(part: string): boolean {
  return part !== "" && Buffer.from(part, "base64url").toString("base64url") === part;
}
