import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { secondsFromNow } from "../tokens/craft.ts";

/** An object, or text or bytes that JSON.stringify would not produce. */
export type Json = Readonly<Record<string, unknown>> | string | Uint8Array;

/** Creates the signature of a token's first two parts. */
export type Sign = (signed: Buffer) => Uint8Array;

/** A key pair and its signing function. */
export interface Signer {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  readonly sign: Sign;
}

type Hash = "sha256" | "sha384" | "sha512";

/** HMAC with any secret, of any length. */
export const hmac =
  (hash: Hash, secret: string | Uint8Array): Sign =>
  (signed) =>
    createHmac(hash, secret).update(signed).digest();

/** RS256, ES256 as in JWS, ES256 in DER, EdDSA. */
export const rs256 =
  (key: KeyObject): Sign =>
  (signed) =>
    sign("sha256", signed, key);
const es256 =
  (key: KeyObject): Sign =>
  (signed) =>
    sign("sha256", signed, { key, dsaEncoding: "ieee-p1363" });
export const es256Der =
  (key: KeyObject): Sign =>
  (signed) =>
    sign("sha256", signed, { key, dsaEncoding: "der" });
export const eddsa =
  (key: KeyObject): Sign =>
  (signed) =>
    sign(null, signed, key);

/** An empty signature. */
export const unsigned: Sign = () => new Uint8Array();

/** A constant signature. */
export const fixed =
  (signature: Uint8Array): Sign =>
  () =>
    signature;

/** Creates keys. */
export function newRsa(): Signer {
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...pair, sign: rs256(pair.privateKey) };
}
export function newEc(): Signer {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { ...pair, sign: es256(pair.privateKey) };
}
export function newEd25519(): Signer {
  const pair = generateKeyPairSync("ed25519");
  return { ...pair, sign: eddsa(pair.privateKey) };
}

/** A public key as PEM. */
export function pemOf(key: KeyObject): string {
  return key.export({ type: "spki", format: "pem" }).toString();
}

/** A JWS in compact form with any header, payload and signature. */
export function assemble(header: Json, payload: Json, signature: Sign): string {
  const signed = `${part(header)}.${part(payload)}`;
  return `${signed}.${Buffer.from(signature(Buffer.from(signed))).toString("base64url")}`;
}

/** One part of a token. */
export function part(content: Json): string {
  const isRaw = typeof content === "string" || content instanceof Uint8Array;
  return Buffer.from(isRaw ? content : JSON.stringify(content)).toString("base64url");
}

/** Claims as JSON text, with an additional raw member, which may duplicate a claim. */
export function claimsWith(claims: Readonly<Record<string, unknown>>, member: string): string {
  return `${JSON.stringify(claims).slice(0, -1)},${member}}`;
}

/** Currently valid claims of an ID token, for no row in particular; undefined removes a claim. */
export function idClaims(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const now = secondsFromNow(0);
  const times = { iat: now, nbf: now, exp: now + 86_400 };
  return { iss: "authmq", sub: "alice", ...times, groups: [], ip: "*", ...changes };
}
