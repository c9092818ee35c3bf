import { createHmac, type KeyObject, randomUUID } from "node:crypto";
import type { SigningConfig, SigningKey } from "../config/issuers.ts";
import type { SignMethod } from "../config/sections/jwt.ts";
import type { Grant } from "../db/queries/granted.ts";
import { AppError } from "../errors.ts";
import { MAX_TOKEN_LENGTH } from "../wire/token-length.ts";
import { keyIdOf } from "./jwks.ts";
import { encodePart, signCompact } from "./jws.ts";

/** Maximum length of an ID token that lists groups, in characters. No reader needs groups from an ID token. */
const MAX_ID_TOKEN_WITH_GROUPS = 8192;

/** Lifetime of a setup token, in milliseconds. */
export const SETUP_LIFETIME = 15 * 60_000;

/** The user that a token identifies. */
export interface Subject {
  readonly username: string;
  readonly groups: readonly string[];
}

/** How and when the login of a session authenticated the user; both are absent for an API key. */
export interface Authentication {
  /** RFC 8176; an empty list makes no claim. */
  readonly amr?: readonly string[] | undefined;
  readonly authTime?: Date | undefined;
}

/** An issued ID token. */
export interface IssuedIdToken {
  readonly text: string;
  /** Whether it lists the groups. */
  readonly listsGroups: boolean;
}

/** What a setup token says about the login that issued it. */
export interface SetupDetails {
  readonly ip: string;
  readonly vhost: string;
  readonly client: string | null;
  /** How the login has authenticated the user (RFC 8176). */
  readonly amr: readonly string[];
  /** Its `jti`: the token works once, as long as the database has the challenge. */
  readonly challenge: string;
}

/** Signs this installation's tokens. Throws TOKEN_TOO_LARGE for a token that its readers would reject. */
export interface TokenIssuer {
  /** The `iss` claim of every token that it signs. */
  readonly name: string;
  /** The JWS algorithm of every token that it signs. */
  readonly method: SignMethod;
  /** Identifies the signing key: its thumbprint (RFC 7638), or a digest of a shared secret. */
  readonly signerId: string;
  /**
   * Signs an ID token with the id of its row as `kid` and `sid`; `issuedAt` is `iat` and `nbf`, `validUntil` is `exp`.
   * Lists the groups unless the token would exceed 8 KiB. Uses the key with this `signerId` if it still exists: with a
   * deterministic algorithm, a replay then returns the same text.
   */
  signIdToken(
    subject: Partial<Subject> & Pick<Subject, "username">,
    token: { tokenId: bigint; ip: string; issuedAt: Date; validUntil: Date } & Authentication,
    signerId?: string,
  ): IssuedIdToken;
  /**
   * Signs an access token (RFC 9068) for one vhost, valid for `lifetime` seconds from `issuedAt` (default: now).
   * `grant` is the session or API key that it was issued for. `isLimited` marks that the caller asked for some of the
   * groups only.
   */
  signAccessToken(
    subject: Subject,
    token: {
      grant: Grant;
      vhost: string;
      lifetime: number;
      issuedAt?: Date;
      isLimited?: boolean;
    } & Authentication,
  ): string;
  /**
   * Signs a setup token, valid for 15 minutes from `issuedAt` (default: now). It is good only for enrolling the first
   * second factor of the account; no other service accepts it.
   */
  signSetupToken(username: string, token: SetupDetails & { issuedAt?: Date }): string;
  /**
   * Signs a token that RabbitMQ accepts as a password, valid for `lifetime` seconds from `issuedAt` (default: now). No
   * other service accepts it. Its length is not limited.
   */
  signBrokerToken(
    username: string,
    token: { audience: string; scopes: readonly string[]; lifetime: number; issuedAt?: Date },
  ): string;
}

/** Creates an issuer for the configured keys; `maxLength` is the maximum length of a token, in characters. */
export async function createIssuer(
  signing: SigningConfig,
  maxLength = MAX_TOKEN_LENGTH,
): Promise<TokenIssuer> {
  const { issuer, method, key, audience, legacyHeaderClaims } = signing;
  const keyId = await keyIdOf(key);
  const ring = new Map<string, SigningKey>();
  for (const one of signing.reserve) ring.set(await signerIdOf(one.key), one);
  const headerOf = (typ: string, more = {}): string =>
    encodePart({ alg: method, typ, ...(keyId === undefined ? {} : { kid: keyId }), ...more });
  const [accessHeader, brokerHeader] = [headerOf("at+jwt"), headerOf("rabbitmq+jwt")];
  const setupHeader = headerOf("setup+jwt");
  const aud = audience === undefined ? {} : { aud: audience };
  const encodeClaims = (
    { username, groups }: Partial<Subject> & Pick<Subject, "username">,
    claims: Readonly<Record<string, unknown>>,
    issuedAt: number,
    expires: number,
  ): string =>
    encodePart({
      iss: issuer,
      sub: username,
      groups, // absent if undefined
      ...claims,
      iat: issuedAt,
      nbf: issuedAt,
      exp: expires,
    });
  return {
    name: issuer,
    method,
    signerId: await signerIdOf(key),
    signIdToken(subject, { tokenId, ip, issuedAt, validUntil, ...login }, signer) {
      const by = (signer === undefined ? undefined : ring.get(signer)) ?? signing;
      const header = encodePart({ alg: by.method, typ: "id+jwt", kid: tokenId.toString() });
      const { username, groups } = subject;
      const sign = (about: typeof subject, limit: number): string | undefined => {
        const more = { sid: tokenId.toString(), ip, ...authenticationClaims(login) };
        const claims = encodeClaims(about, more, inSeconds(issuedAt), inSeconds(validUntil));
        if (header.length + claims.length > limit) return undefined; // skip the signature
        const text = signCompact(header, claims, by.method, by.key);
        return text.length > limit ? undefined : text;
      };
      const full = groups && sign(subject, Math.min(MAX_ID_TOKEN_WITH_GROUPS, maxLength));
      if (full !== undefined) return { text: full, listsGroups: true };
      const text = sign({ username }, maxLength);
      if (text === undefined) throw tooLarge(0, maxLength);
      return { text, listsGroups: false };
    },
    signAccessToken(subject, { grant, vhost, lifetime, issuedAt = new Date(), isLimited = false, ...login }) {
      const now = inSeconds(issuedAt);
      const limited = isLimited ? { limited: true } : {};
      const by = "sid" in grant ? { sid: grant.sid.toString() } : { api_key_id: grant.apiKeyId.toString() };
      const about = { ...by, vhost, ...authenticationClaims(login), jti: randomUUID(), ...aud };
      const more = { user: subject.username, ...limited, ...about };
      const expires = endOf(now, lifetime);
      const claims = encodeClaims(subject, more, now, expires);
      const times = { iat: now, nbf: now, exp: expires };
      // For services that verify like py_auth_micro; nothing here reads these members.
      const header =
        legacyHeaderClaims === true
          ? headerOf("at+jwt", { iss: issuer, aud: subject.groups, ...times, Type: "Access-Token", vhost })
          : accessHeader;
      const text = signCompact(header, claims, method, key);
      if (text.length > maxLength) throw tooLarge(subject.groups.length, maxLength);
      return text;
    },
    signSetupToken(username, { ip, vhost, client, amr, challenge, issuedAt = new Date() }) {
      const now = inSeconds(issuedAt);
      const login = { ip, vhost, ...(client === null ? {} : { client }), amr };
      const about = { iss: issuer, sub: username, ...login, jti: challenge };
      const times = { iat: now, nbf: now, exp: endOf(now, SETUP_LIFETIME / 1000) };
      return signCompact(setupHeader, encodePart({ ...about, ...times }), method, key);
    },
    signBrokerToken(username, { audience: broker, scopes, lifetime, issuedAt = new Date() }) {
      const now = inSeconds(issuedAt);
      const times = { iat: now, nbf: now, exp: endOf(now, lifetime) };
      const scope = scopes.join(" "); // RFC 8693 section 4.2
      const claims = { iss: issuer, sub: username, aud: broker, ...times, jti: randomUUID(), scope };
      return signCompact(brokerHeader, encodePart(claims), method, key);
    },
  };
}

function authenticationClaims({ amr = [], authTime }: Authentication): Readonly<Record<string, unknown>> {
  return {
    ...(amr.length === 0 ? {} : { amr }),
    ...(authTime === undefined ? {} : { auth_time: inSeconds(authTime) }),
  };
}

function tooLarge(groups: number, maxLength: number): AppError {
  return new AppError(
    "TOKEN_TOO_LARGE",
    `a token with ${groups} groups is longer than ${maxLength} characters`,
  );
}

function endOf(now: number, lifetime: number): number {
  return now + Math.max(1, Math.round(lifetime));
}

/** A shared secret has no public thumbprint, so an HMAC identifies it. */
async function signerIdOf(key: KeyObject): Promise<string> {
  return (await keyIdOf(key)) ?? createHmac("sha256", key).update("authmq signer id").digest("base64url");
}

function inSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
