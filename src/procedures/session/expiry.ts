import { z } from "zod";

/** The members of a reply that say when its token ends. */
export const expiry = {
  expires_at: z.iso.datetime().describe("the end of the token, its exp"),
  expires_in: z.int().min(0).describe("seconds until then"),
};

/** What such a reply says at `now`; by whole seconds, as the token itself. */
export function expiryOf(end: Date, now: Date): { expires_at: string; expires_in: number } {
  const left = inSeconds(end) - inSeconds(now);
  return { expires_at: new Date(inSeconds(end) * 1000).toISOString(), expires_in: Math.max(0, left) };
}

/** The end of what begins at `begin`: after so many seconds, rounded and at least one, but not later than `latest`. */
export function endAfter(begin: Date, seconds: number, latest?: Date): Date {
  const end = (inSeconds(begin) + Math.max(1, Math.round(seconds))) * 1000;
  return new Date(Math.min(end, latest?.getTime() ?? end));
}

function inSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
