import type { z } from "zod";
import type { jwtCreation, SignMethod } from "../../config/sections/jwt.ts";

type Creation = z.output<typeof jwtCreation>;
type Ring = NonNullable<Creation["keys"]>;
type RingKey = Ring["active"];

/** Options of a rotation. */
export interface Rotation {
  readonly now: Date;
  /** How long tokens of the previous key may still be in use, in milliseconds. */
  readonly overlap: number;
  /** Signs with the next key immediately, even if verifiers may not have it yet. */
  readonly atOnce: boolean;
  /** Whether the keys may have leaked: replaces all of them, which invalidates all tokens. */
  readonly isCompromised: boolean;
  /** Generates a key and stores it. */
  readonly makeKey: () => RingKey & { readonly signmethod: SignMethod };
}

/** The section `jwt_creation` after a rotation: the next key signs, the previous key retires, and a new next key. */
export function rotateRing(
  creation: Creation,
  { now, overlap, atOnce, isCompromised, makeKey }: Rotation,
): Creation {
  const { secret, keys, fingerprint_key, signmethod, ...rest } = creation;
  const active = keys?.active ?? secret;
  if (active === undefined) throw new Error("there is no signing key"); // unreachable: the configuration was validated
  // Keys that inherit the section's algorithm must keep it when the section's algorithm changes.
  const named = <K extends RingKey>(key: K): K => ({ signmethod, ...key });
  if (isCompromised) {
    const first = makeKey();
    return { ...rest, signmethod: first.signmethod, keys: { active: first, next: makeKey(), retiring: [] } };
  }
  const base = { ...rest, signmethod, fingerprint_key: fingerprint_key ?? materialOf(active) };
  const retiring = (keys?.retiring ?? []).filter(({ until }) => new Date(until) > now).map(named);
  const next = keys?.next;
  if (next === undefined && !atOnce)
    return { ...base, keys: { active: named(active), next: makeKey(), retiring } };
  const until = new Date(now.getTime() + overlap).toISOString();
  const successor = named(next ?? makeKey());
  return {
    ...base,
    signmethod: successor.signmethod ?? signmethod,
    keys: { active: successor, next: makeKey(), retiring: [{ ...named(active), until }, ...retiring] },
  };
}

/** The key without its algorithm, which fingerprints do not use. */
function materialOf({ type, value, secret }: RingKey): NonNullable<Creation["fingerprint_key"]> {
  return { type, value, ...(secret === undefined ? {} : { secret }) };
}
