import { z } from "zod";

/** The members of a reply that say when its token ends. */
export const expiry = {
  expires_at: z.iso.datetime().describe("when the token expires, in UTC"),
  expires_in: z.int().min(0).describe("seconds until the token expires"),
};

/** What such a reply says at `now`; by whole seconds, as the token itself. */
export function expiryOf(end: Date, now: Date): { expires_at: string; expires_in: number } {
  const at = inSeconds(end);
  // Tokens that are issued within a second mostly end within one, and formatting a time is dear.
  if (at !== formatted.at) formatted = { at, text: new Date(at * 1000).toISOString() };
  return { expires_at: formatted.text, expires_in: Math.max(0, at - inSeconds(now)) };
}

let formatted = { at: 0, text: new Date(0).toISOString() };

/** The end of what begins at `begin`: after so many seconds, rounded and at least one, but not later than `latest`. */
export function endAfter(begin: Date, seconds: number, latest?: Date): Date {
  const end = (inSeconds(begin) + Math.max(1, Math.round(seconds))) * 1000;
  return new Date(Math.min(end, latest?.getTime() ?? end));
}

function inSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
