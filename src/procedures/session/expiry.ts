import { z } from "zod";

/** The reply fields for the expiry of a token. */
export const expiry = {
  expires_at: z.iso.datetime().describe("expiry time of the token, in UTC"),
  expires_in: z.int().min(0).describe("seconds until the token expires"),
};

/** The values of these fields at `now`, in whole seconds like the claims of the token. */
export function expiryOf(end: Date, now: Date): { expires_at: string; expires_in: number } {
  const at = inSeconds(end);
  // Tokens issued in the same second mostly share their expiry, and formatting a time is expensive.
  if (at !== lastFormatted.at) lastFormatted = { at, text: new Date(at * 1000).toISOString() };
  return { expires_at: lastFormatted.text, expires_in: Math.max(0, at - inSeconds(now)) };
}

let lastFormatted = { at: 0, text: new Date(0).toISOString() };

/** The time `seconds` (rounded, at least 1) after the second of `begin`, but not later than `latest`. */
export function endAfter(begin: Date, seconds: number, latest?: Date): Date {
  const end = (inSeconds(begin) + Math.max(1, Math.round(seconds))) * 1000;
  return new Date(Math.min(end, latest?.getTime() ?? end));
}

function inSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
