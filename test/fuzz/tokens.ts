import fc from "fast-check";
import { hostileText } from "./texts.ts";

/** Valid tokens, each for its own use. */
export const GOOD_TOKENS = [
  "admin",
  "alice",
  "carol",
  "bobby",
  "ghost",
  "session",
  "bound-session",
  "root-session",
  "partner",
  "api-key",
  // Unusual, but signed by this installation.
  "deep",
] as const;

/** Tokens that are never valid. */
export const BAD_TOKENS = [
  ...[
    "off-session",
    "revoked",
    "expired",
    "future",
    "stranger",
    "unsigned",
    "confused",
    "own-key",
    "critical",
  ],
  ...["no-type", "endless", "huge", "list", "other-kid", "proto-claims", "foreign-session"],
  "expired-key",
] as const;

/** The name of a token. */
export type TokenName = (typeof GOOD_TOKENS)[number] | (typeof BAD_TOKENS)[number];

/** A token by name, and a modification of its text; positions are fractions in thousandths. */
export interface TokenSpec {
  readonly of: TokenName;
  readonly change?: Change;
}

type Change =
  | { readonly flip: number; readonly by: string }
  | { readonly bit: number }
  | { readonly part: number; readonly becomes: string }
  | { readonly order: readonly number[] }
  | { readonly before: string; readonly after: string }
  | { readonly cut: number }
  | { readonly times: number }
  | { readonly header: readonly (readonly [name: string, value: unknown])[] }
  | { readonly upper: true };

/** Modifies the text of a token. */
export function changeToken(good: string, change: Change | undefined): string {
  if (change === undefined) return good;
  const parts = good.split(".");
  if ("flip" in change) {
    const at = Math.floor((change.flip * good.length) / 1000);
    return good.slice(0, at) + change.by + good.slice(at + 1);
  }
  if ("bit" in change) {
    const bytes = Buffer.from(good);
    const at = Math.floor((change.bit * bytes.length * 7) / 1000);
    bytes.writeUInt8((bytes[Math.floor(at / 7)] ?? 0) ^ (1 << (at % 7)), Math.floor(at / 7));
    return bytes.toString();
  }
  if ("part" in change) return parts.with(change.part % parts.length, change.becomes).join(".");
  if ("order" in change) return change.order.map((at) => parts[at] ?? "").join(".");
  if ("before" in change) return change.before + good + change.after;
  if ("cut" in change) return good.slice(0, Math.floor((change.cut * good.length) / 1000));
  if ("times" in change) return Array.from({ length: change.times }, () => good).join(".");
  if ("upper" in change) return good.toUpperCase();
  if (parts.length !== 3) return `${good}.`; // an API key has no header
  const header = JSON.parse(Buffer.from(parts[0] ?? "", "base64url").toString()) as object;
  const changed = JSON.stringify(Object.fromEntries([...Object.entries(header), ...change.header]));
  return parts.with(0, Buffer.from(changed).toString("base64url")).join(".");
}

const place = fc.nat(999);

const headerMember = fc.oneof(
  fc.tuple(fc.constant("alg"), fc.constantFrom("none", "None", "HS256", "EdDSA", "RS256", "", null, 1)),
  fc.tuple(
    fc.constant("typ"),
    fc.constantFrom("at+jwt", "id+jwt", "application/at+jwt", "JWT", "AT+JWT", null),
  ),
  fc.tuple(fc.constant("kid"), fc.constantFrom("0", "1", "-1", "9223372036854775808", "../key", "", null)),
  fc.tuple(
    fc.constantFrom("crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "cty", "__proto__"),
    fc.constantFrom([], ["exp"], {}, "https://example.com/key", false, "DEF"),
  ),
);

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ flip: place, by: fc.constantFrom("A", "_", ".", "=", "", "+", "/", "\0", "\u0435", " ") }),
  fc.record({ bit: place }),
  fc.record({
    part: fc.nat(2),
    becomes: fc.oneof(fc.constantFrom("", "e30", "bnVsbA", "W10", "="), hostileText),
  }),
  fc.record({ order: fc.array(fc.nat(3), { maxLength: 6 }) }),
  fc.record({
    before: fc.constantFrom("", "Bearer ", " ", "\n"),
    after: fc.constantFrom("=", " ", ".", "\n", "A"),
  }),
  fc.record({ cut: place }),
  fc.record({ times: fc.constantFrom(0, 2, 3, 60) }),
  fc.record({ header: fc.array(headerMember, { minLength: 1, maxLength: 2 }) }),
  fc.constant({ upper: true as const }),
);

/** An invalid or modified token. */
export const invalidToken: fc.Arbitrary<TokenSpec> = fc.oneof(
  fc.record({ of: fc.constantFrom(...BAD_TOKENS) }),
  fc.record({ of: fc.constantFrom(...GOOD_TOKENS), change }),
);

/** A valid token, often of the wrong kind or the wrong user. */
export const goodToken: fc.Arbitrary<TokenSpec> = fc.record({ of: fc.constantFrom(...GOOD_TOKENS) });
