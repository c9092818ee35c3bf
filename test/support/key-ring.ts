import { generateSecret } from "../../src/config/generate-key.ts";
import type { SignMethod } from "../../src/config/sections/jwt.ts";

/** A key in the format of the configuration. */
export interface RingKey {
  readonly type: "base64key";
  readonly value: string;
  readonly signmethod: SignMethod;
}

/** A new key for an algorithm. */
export function newKey(signmethod: SignMethod = "EdDSA"): RingKey {
  const { secret } = generateSecret(signmethod);
  // A shared secret is already base64.
  const value = signmethod.startsWith("HS") ? secret.trim() : Buffer.from(secret).toString("base64");
  return { type: "base64key", value, signmethod };
}

/** A time from now, in milliseconds, as the configuration writes it. */
export function timeFromNow(milliseconds: number): string {
  return new Date(Date.now() + milliseconds).toISOString();
}
