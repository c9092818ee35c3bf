import { createPrivateKey } from "node:crypto";
import type { SecretKind } from "./notes.ts";

/** Shorter secrets are found everywhere by chance. */
export const SHORTEST = 8;

/** Of a longer secret, only this number of bytes at its beginning and its end is searched. */
const LONGEST = 256;

/** A signature of HS256 has 43 characters; shorter texts are no signatures. */
const SHORTEST_SIGNATURE = 20;

/**
 * The byte sequences to search for a secret: its bytes, and their encodings in logs, URLs and dumps. For a token only
 * its signature, and for an API key its random part, which are unique; for a hash everything but its common prefix; for
 * a private key every line.
 */
export function formsOf(kind: SecretKind, value: string): Buffer[] {
  const forms = coresOf(kind, value).flatMap((core) =>
    encodings(Buffer.from(core, kind === "key" ? "latin1" : "utf8")),
  );
  const unique = new Map(forms.flatMap(ends).map((form) => [form.toString("latin1"), form]));
  return [...unique.values()].filter((form) => form.length >= SHORTEST);
}

function coresOf(kind: SecretKind, value: string): string[] {
  switch (kind) {
    case "token": {
      const [, , signature = "", more] = value.split(".");
      if (more === undefined && signature.length >= SHORTEST_SIGNATURE) return [signature];
      const [, random = value] = /^authmq_([0-9A-Za-z]{43})_/.exec(value) ?? [];
      return random.length >= SHORTEST_SIGNATURE ? [random] : [];
    }
    case "hash":
      // bcrypt: $2b$04$, then salt and hash; argon2id: $argon2id$v=19$m=...$, then salt and hash.
      return [value.replace(/^\$2[abxy]\$\d\d\$|^\$argon2\w+\$.*?\$.*?\$/, "")];
    case "key":
      return value.includes("PRIVATE KEY-----") ? partsOfPem(value) : [value];
    default:
      return [value];
  }
}

/** The lines of a PEM, and the private number if it can be parsed. */
function partsOfPem(pem: string): string[] {
  const lines = pem
    .replaceAll(/-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----/g, "")
    .split(/\r?\n/)
    .filter((line) => line.length >= 32 && !line.includes("-----"));
  try {
    const { d = "" } = createPrivateKey(pem).export({ format: "jwk" });
    return [...lines, Buffer.from(d, "base64url").toString("latin1")];
  } catch {
    return lines; // encrypted with a passphrase, or invalid
  }
}

function encodings(bytes: Buffer): Buffer[] {
  const forms = [
    ...base64Of(bytes),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    bytes.join(","),
  ];
  const text = bytes.toString();
  if (Buffer.from(text).equals(bytes)) {
    const escaped = inJson(text);
    // As JSON, as JSON in JSON, as the log escapes it for terminals, and in a URL.
    forms.push(escaped, inJson(escaped), asAscii(escaped), ...inAddress(text));
  }
  return [bytes, ...forms.map((form) => Buffer.from(form))];
}

/** The base64 of bytes at any position in an encoded text: without digits that also encode neighbouring bytes. */
function base64Of(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((before) => {
    const digits = Buffer.concat([Buffer.alloc(before), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    const first = Math.ceil((before * 8) / 6);
    const last = Math.floor(((before + bytes.length) * 8) / 6);
    const own = digits.slice(first, last);
    return [own, own.replaceAll("+", "-").replaceAll("/", "_")];
  });
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function asAscii(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function inAddress(text: string): string[] {
  if (!text.isWellFormed()) return [];
  const encoded = encodeURIComponent(text);
  return [encoded, encoded.replaceAll("%20", "+")];
}

function ends(form: Buffer): Buffer[] {
  return form.length <= LONGEST ? [form] : [form.subarray(0, LONGEST), form.subarray(-LONGEST)];
}
