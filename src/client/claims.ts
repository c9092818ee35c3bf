/** The last second that a Date can represent; comparisons with a later date are always false. */
const LAST = 8.64e12;

/** The claims of an access token (RFC 9068) as authmq issues it, and any further claims. */
export interface AccessClaims {
  readonly iss: string;
  readonly sub: string;
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  readonly groups: readonly string[];
  readonly user?: string;
  readonly vhost?: string;
  readonly aud?: string | readonly string[];
  /** The id of the session that the token was issued for. */
  readonly sid?: string;
  /** The id of the API key that the token was issued for. */
  readonly api_key_id?: string;
  /** How the login authenticated the user (RFC 8176); absent for an API key. */
  readonly amr?: readonly string[];
  /** When the user logged in, in seconds; absent for an API key. */
  readonly auth_time?: number;
  readonly [name: string]: unknown;
}

/** The payload as the claims of an access token; undefined when a claim is missing or invalid. */
export function readClaims(payload: Readonly<Record<string, unknown>>): AccessClaims | undefined {
  if (!areAccessClaims(payload)) return undefined;
  const { amr, auth_time, ...claims } = payload;
  // Other issuers may write these otherwise: then they count as absent, and the login as too old.
  return {
    ...claims,
    ...(isTexts(amr) ? { amr } : {}),
    ...(isTime(auth_time) ? { auth_time } : {}),
  };
}

/** Whether a token is valid at `now` (RFC 7519 sections 4.1.4 to 4.1.6); all times in seconds. */
export function isCurrent({ iat, nbf, exp }: AccessClaims, now: number, tolerance: number): boolean {
  return exp > now - tolerance && nbf <= now + tolerance && iat <= now + tolerance;
}

function areAccessClaims(claims: Readonly<Record<string, unknown>>): claims is AccessClaims {
  const { iss, sub, iat, nbf, exp, groups, user, vhost, aud, sid, api_key_id } = claims;
  return (
    typeof iss === "string" &&
    typeof sub === "string" &&
    sub !== "" &&
    [iat, nbf, exp].every(isTime) &&
    isTexts(groups) &&
    (user === undefined || user === sub) &&
    (vhost === undefined || typeof vhost === "string") &&
    (aud === undefined || typeof aud === "string" || isTexts(aud)) &&
    [sid, api_key_id].every((id) => id === undefined || typeof id === "string")
  );
}

/** JSON.parse reads 1e999 as Infinity: such a token would never expire. */
function isTime(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= LAST;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}
