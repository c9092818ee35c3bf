import { z } from "zod";

/** Allowed clock difference between issuers and this host, in seconds. */
const LEEWAY = 30;

/** The last second that a Date can represent. */
const LAST_SECOND = 8.64e12;

// JSON.parse reads 1e999 as Infinity, which z.number() rejects: such a token would never expire. The upper limit is
// there because comparisons with an invalid Date are always false.
const numericDate = z.number().min(0).max(LAST_SECOND);

const registered = z.object({
  iss: z.string(),
  sub: z.string().min(1),
  iat: numericDate,
  nbf: numericDate,
  exp: numericDate,
});

/**
 * How and when the login authenticated the user: RFC 8176, and `auth_time` of OpenID Connect Core section 2.
 * Another issuer may write them otherwise: then they count as absent, and the login as too old.
 */
const authentication = {
  amr: z.array(z.string()).optional().catch(undefined),
  auth_time: numericDate.optional().catch(undefined),
};

/** The claims of an ID token; `groups` is absent if the list would be too long. */
export const idClaims = registered.extend({
  groups: z.array(z.string()).optional(),
  ip: z.string(),
  ...authentication,
});

/** The id of a row, as text; the id of this installation's session is the `kid` of its ID token. */
const rowId = z.string().optional().catch(undefined);

/** The claims of an access token (RFC 9068); `user` equals `sub`. */
export const accessClaims = registered
  .extend({
    user: z.string().optional(),
    groups: z.array(z.string()),
    limited: z.boolean().optional().catch(undefined),
    vhost: z.string().optional(),
    aud: z.union([z.string(), z.array(z.string())]).optional(),
    jti: z.string().optional().catch(undefined),
    sid: rowId,
    api_key_id: rowId,
    ...authentication,
  })
  .refine(({ sub, user }) => user === undefined || user === sub);

/** The claims of a setup token; `jti` is the challenge of its login. */
export const setupClaims = registered.extend({
  ip: z.string(),
  vhost: z.string(),
  client: z.string().optional(),
  amr: z.array(z.string()),
  jti: z.string().min(1),
});

/** Whether a token is valid at `now`, in seconds (RFC 7519 sections 4.1.4 to 4.1.6). */
export function isWithinLifetime(claims: { iat: number; nbf: number; exp: number }, now: number): boolean {
  return claims.exp > now - LEEWAY && claims.nbf <= now + LEEWAY && claims.iat <= now + LEEWAY;
}
