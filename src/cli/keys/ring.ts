import type { z } from "zod";
import type { jwtCreation, SignMethod } from "../../config/sections/jwt.ts";

type Creation = z.output<typeof jwtCreation>;
type Ring = NonNullable<Creation["keys"]>;
type RingKey = Ring["active"];

/** How the ring is to turn. */
export interface Rotation {
  readonly now: Date;
  /** So long after the turn a token of the key before may still come, in milliseconds. */
  readonly overlap: number;
  /** Makes the next key sign at once, be it known or not. */
  readonly atOnce: boolean;
  /** Whether somebody else may have the keys: then all of them go, and their tokens with them. */
  readonly isCompromised: boolean;
  /** Makes a key of this algorithm, or of the one of new tokens, where it is to be. */
  readonly makeKey: () => RingKey & { readonly signmethod: SignMethod };
}

/** The section after a turn of its ring: the next key signs, the one before retires, and another one is next. */
export function rotateRing(
  creation: Creation,
  { now, overlap, atOnce, isCompromised, makeKey }: Rotation,
): Creation {
  const { secret, keys, fingerprint_key, signmethod, ...rest } = creation;
  const active = keys?.active ?? secret;
  if (active === undefined) throw new Error("there is no key that signs"); // the configuration was read before
  // What had its algorithm from the section keeps it when that of the section changes.
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

/** Without its algorithm: digests have one of their own. */
function materialOf({ type, value, secret }: RingKey): NonNullable<Creation["fingerprint_key"]> {
  return { type, value, ...(secret === undefined ? {} : { secret }) };
}
