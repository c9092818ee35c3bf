import { randomBytes } from "node:crypto";
import { Secret, TOTP } from "otpauth";

/** In seconds (RFC 6238 section 4.1). */
const PERIOD = 30;

/** Steps before and after the current one that are accepted (RFC 6238 section 5.2). */
const DRIFT = 1;

/** Creates a secret of 160 bits, as RFC 4226 section 4 recommends. */
export function createTotpSecret(): Buffer {
  return randomBytes(20);
}

/** The secret in base32, and the `otpauth:` URI that authenticator apps read from a QR code. */
export function describeTotp(
  secret: Uint8Array,
  { issuer, username }: { readonly issuer: string; readonly username: string },
): { readonly secret: string; readonly uri: string } {
  const totp = new TOTP({ issuer, label: username, secret: secretOf(secret) });
  return { secret: totp.secret.base32, uri: totp.toString() };
}

/** The time step of a code of six digits (RFC 6238: SHA-1, 30 seconds); undefined if the code is wrong at `now`. */
export function findTotpStep(secret: Uint8Array, code: string, now = Date.now()): number | undefined {
  const delta = TOTP.validate({ token: code, secret: secretOf(secret), timestamp: now, window: DRIFT });
  return delta === null ? undefined : TOTP.counter({ period: PERIOD, timestamp: now }) + delta;
}

function secretOf(bytes: Uint8Array): Secret {
  return new Secret({ buffer: Uint8Array.from(bytes).buffer });
}
