import { parseJsonObject } from "./json.ts";
import { MAX_TOKEN_LENGTH } from "./token-length.ts";

/** Header members that name or carry a key, or change what is signed (RFC 7515 section 4.1, RFC 7797). */
const REFUSED_MEMBERS = ["crit", "jwk", "jku", "x5u", "x5c", "b64"];

/** What a token says of itself before any signature was checked: nothing in it can be believed yet. */
export interface UnverifiedToken {
  /** A media type in lower case, without the `application/` that may be left out (RFC 7515 section 4.1.9). */
  readonly typ: string;
  readonly alg: string;
  readonly kid: string | undefined;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Reads a JWS in compact form (RFC 7515 section 7.1) strictly; undefined when anything about it is unusual. */
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

/** One text per token: bits that a decoder drops would make many texts of the same token. */
function isCanonicalBase64url(part: string): boolean {
  return part !== "" && Buffer.from(part, "base64url").toString("base64url") === part;
}
