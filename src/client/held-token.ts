/** A token, and how long it is valid. */
export interface HeldToken {
  readonly text: string;
  /** Seconds; used instead of the expiration time, because the clocks of this host and the worker may differ. */
  readonly lifetime: number;
  /** In milliseconds, by two clocks: a wall clock may be set back, and the steady clock stops while the host sleeps. */
  readonly requestedAt: { readonly clock: number; readonly steady: number };
}

/** A token that expires within this many seconds is renewed while it is still used. */
const RENEW_BEFORE = 60;

/** The present time, shifted by some milliseconds. */
export function now(shift = 0): HeldToken["requestedAt"] {
  return { clock: Date.now() + shift, steady: performance.now() + shift };
}

/** The rest of a token's lifetime, in seconds. */
export function secondsLeft({ lifetime, requestedAt: { clock, steady } }: HeldToken): number {
  return lifetime - Math.max(Date.now() - clock, performance.now() - steady) / 1000;
}

/** Whether it is time to renew a token. */
export function endsSoon(token: HeldToken): boolean {
  return secondsLeft(token) < Math.min(RENEW_BEFORE, token.lifetime / 2);
}
