import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import type { Config } from "../../src/config/load.ts";
import { createIssuer } from "../../src/tokens/issuer.ts";
import { readCompact } from "../../src/wire/compact.ts";
import { accessClaims, craft, secondsFromNow } from "../tokens/craft.ts";
import type { TokenName } from "./tokens.ts";
import { API_KEYS } from "./users.ts";
import { PARTNER, type Variant } from "./variants.ts";

/** What a token authorizes. */
export interface Holder {
  readonly kind: "access" | "id" | "key";
  readonly username: string;
  readonly isAdmin: boolean;
  /** The client address that an ID token is bound to. */
  readonly ip: string;
  /** An ID token of a revoked session, which is valid only for logout. */
  readonly isRevoked: boolean;
}

/** All tokens of the fuzzer by name, and the holders of valid ones. */
export interface FuzzTokens {
  readonly texts: ReadonlyMap<TokenName, string>;
  readonly holders: ReadonlyMap<string, Holder>;
}

/** The ID tokens from logins. */
export type Sessions = Readonly<
  Record<"session" | "bound-session" | "off-session" | "root-session" | "revoked", string>
>;

/** The client address of the bound session. */
export const BOUND_IP = "10.1.2.3";

/** Lifetime of tokens in seconds, longer than a run. */
const LIFETIME = 24 * 60 * 60;

interface AccessSubject {
  readonly username: string;
  readonly groups: readonly string[];
  /** The session that the token is of; without one, the token is not valid for this installation. */
  readonly session?: keyof Sessions;
}

const ACCESS: Readonly<Partial<Record<TokenName, AccessSubject>>> = {
  admin: { username: "root", groups: ["admin"], session: "root-session" },
  alice: { username: "alice", groups: ["staff"], session: "session" },
  carol: { username: "Carol", groups: ["staff", "Staff"], session: "bound-session" },
  bobby: { username: "bobby", groups: ["staff"], session: "off-session" },
  ghost: { username: "nobody-here", groups: [] },
};

/** Creates all tokens of an installation. */
export async function issueFuzzTokens(
  config: Config,
  variant: Variant,
  sessions: Sessions,
): Promise<FuzzTokens> {
  const signing = config.signing!;
  const issuer = await createIssuer(signing);
  const texts = new Map<TokenName, string>(Object.entries(sessions) as [TokenName, string][]);
  const holders = new Map<string, Holder>();
  const hold = (text: string, holder: Partial<Holder> & Pick<Holder, "kind" | "username">): void =>
    void holders.set(text, { isAdmin: false, ip: "*", isRevoked: false, ...holder });
  hold(sessions.session, { kind: "id", username: "alice" });
  hold(sessions["bound-session"], { kind: "id", username: "Carol", ip: BOUND_IP });
  hold(sessions.revoked, { kind: "id", username: "alice", isRevoked: true });
  // A deactivated user may still log out.
  hold(sessions["off-session"], { kind: "id", username: "bobby" });
  hold(sessions["root-session"], { kind: "id", username: "root" });
  for (const [name, { text, username, isExpired }] of Object.entries(API_KEYS)) {
    texts.set(name as TokenName, text);
    if (!isExpired) hold(text, { kind: "key", username });
  }
  for (const [name, subject] of Object.entries(ACCESS)) {
    const grant = { sid: subject.session === undefined ? 0n : idOf(sessions[subject.session]) };
    const text = issuer.signAccessToken(subject, { grant, vhost: "prod", lifetime: LIFETIME });
    texts.set(name as TokenName, text);
    hold(text, { kind: "access", username: subject.username, isAdmin: subject.groups.includes("admin") });
  }
  const sid = idOf(sessions["root-session"]).toString();
  for (const [name, text] of Object.entries(await forgeries(config, variant, sid)))
    texts.set(name as TokenName, text);
  // Signed by this installation, for a session that does not exist, like the token of a revoked session.
  hold(texts.get("other-kid") ?? "", { kind: "id", username: "root", isRevoked: true });
  hold(texts.get("deep") ?? "", { kind: "access", username: "root", isAdmin: true });
  if (variant.partner !== undefined) {
    const claims = { iss: PARTNER, groups: ["staff"], exp: secondsFromNow(LIFETIME) };
    const text = await craft({ alg: "ES256", typ: "at+jwt" }, accessClaims(claims), variant.partner);
    texts.set("partner", text);
    hold(text, { kind: "access", username: "alice" });
  }
  return { texts, holders };
}

/** The id of an ID token's session. */
function idOf(idToken: string): bigint {
  return BigInt(readCompact(idToken)?.kid ?? "");
}

async function forgeries(
  { signing }: Config,
  { partner }: Variant,
  sid: string,
): Promise<Partial<Record<TokenName, string>>> {
  const { key, method, audience } = signing!;
  const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const header = { alg: method, typ: "at+jwt" };
  const admin = {
    sub: "root",
    user: "root",
    groups: ["admin"],
    sid,
    ...(audience === undefined ? {} : { aud: audience }),
  };
  const claims = (more: object = {}): Record<string, unknown> =>
    accessClaims({ ...admin, exp: secondsFromNow(LIFETIME), ...more });
  const asText = (from: string, to: string): string =>
    JSON.stringify(claims({ jti: "HERE" })).replace(from, to);
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return {
    expired: await craft(header, claims({ exp: secondsFromNow(-60) }), key),
    future: await craft(header, claims({ nbf: secondsFromNow(3600) }), key),
    stranger: await craft({ ...header, alg: "ES256" }, claims({ iss: "stranger" }), stranger.privateKey),
    partner: await craft({ ...header, alg: "ES256" }, claims({ iss: PARTNER }), stranger.privateKey),
    unsigned: `${encode({ alg: "none", typ: "at+jwt" })}.${encode(claims())}.`,
    confused: await craft({ alg: "HS256", typ: "at+jwt" }, claims(), publicBytes(key)),
    "own-key": await craft(
      { ...header, alg: "ES256", jwk: stranger.publicKey.export({ format: "jwk" }) },
      claims(),
      stranger.privateKey,
    ),
    critical: await craft({ ...header, crit: ["x-odd"], "x-odd": true }, claims(), key),
    "no-type": await craft({ alg: method }, claims(), key),
    endless: await craft(header, asText(`"exp":${String(claims()["exp"])}`, '"exp":1e999'), key),
    huge: await craft(header, claims({ filler: "x".repeat(32_800) }), key),
    deep: await craft(header, asText('"HERE"', "[".repeat(5000) + "]".repeat(5000)), key),
    list: await craft(header, "[]", key),
    "other-kid": await craft({ alg: method, typ: "id+jwt", kid: "1" }, claims({ ip: "*" }), key),
    "proto-claims": await craft(header, asText('"iat"', '"__proto__":{"groups":["admin"]},"iat_"'), key),
    "foreign-session": await craft(
      { alg: "ES256", typ: "id+jwt", kid: "1" },
      claims({ iss: PARTNER, ip: "*" }),
      partner ?? stranger.privateKey,
    ),
  };
}

/** What an attacker would use as the secret of an HMAC. */
function publicBytes(key: KeyObject): Buffer {
  const exported = createPublicKey(key).export({ type: "spki", format: "pem" });
  return Buffer.from(exported);
}
