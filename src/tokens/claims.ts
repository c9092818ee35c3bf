import { z } from "zod";

/** Clocks of issuers and of this host may differ by so many seconds. */
const LEEWAY = 30;

/** The last second that a Date can hold. */
const LAST = 8.64e12;

// JSON.parse reads 1e999 as Infinity, which z.number() refuses: such a token would never expire. Beyond what a Date holds
// a comparison of dates is false either way.
const numericDate = z.number().min(0).max(LAST);

const registered = z.object({
  iss: z.string(),
  sub: z.string().min(1),
  iat: numericDate,
  nbf: numericDate,
  exp: numericDate,
});

/** The claims of an ID token that is checked here; a long list of groups is left out. */
export const idClaims = registered.extend({ groups: z.array(z.string()).optional(), ip: z.string() });

/** The claims of an access token (RFC 9068); `user` says the same as `sub`. */
export const accessClaims = registered
  .extend({
    user: z.string().optional(),
    groups: z.array(z.string()),
    limited: z.boolean().optional().catch(undefined),
    vhost: z.string().optional(),
    aud: z.union([z.string(), z.array(z.string())]).optional(),
    jti: z.string().optional().catch(undefined),
  })
  .refine(({ sub, user }) => user === undefined || user === sub);

/** Whether a token is valid at this moment (RFC 7519 sections 4.1.4 to 4.1.6); `now` in seconds. */
export function isWithinLifetime(claims: { iat: number; nbf: number; exp: number }, now: number): boolean {
  return claims.exp > now - LEEWAY && claims.nbf <= now + LEEWAY && claims.iat <= now + LEEWAY;
}
