import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Fingerprints } from "./fingerprint.ts";

const PREFIX = "authmq_";
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** 256 bits have at most 43 digits to the base 62, and a CRC-32 has 6. */
const [RANDOM_LENGTH, CHECKSUM_LENGTH] = [43, 6];

const FORM = new RegExp(`^${PREFIX}[0-9A-Za-z]{${RANDOM_LENGTH}}_[0-9A-Za-z]{${CHECKSUM_LENGTH}}$`);

/**
 * Derives an API key of 256 bits from a random `seed`, so that a retry of the request can return it although it is not
 * stored. Without the signing key, the seed does not reveal it.
 */
export function deriveApiKey(fingerprints: Fingerprints, seed: string): string {
  return formatApiKey(fingerprints.of("api key", seed));
}

/** The API key with these 32 random bytes. */
export function formatApiKey(bytes: Buffer): string {
  const random = inBase62(BigInt(`0x${bytes.toString("hex")}`), RANDOM_LENGTH);
  return `${PREFIX}${random}_${checksumOf(random)}`;
}

/** Whether a text has the form and the checksum of an API key: a mistyped key needs no look-up. */
export function isApiKey(text: string): boolean {
  if (!FORM.test(text)) return false;
  const random = text.slice(PREFIX.length, PREFIX.length + RANDOM_LENGTH);
  return text.endsWith(`_${checksumOf(random)}`);
}

/** The digest by which the database identifies an API key: SHA-256, in hexadecimal. */
export function digestOfApiKey(text: string): string {
  return hash("sha256", text, "hex");
}

function checksumOf(random: string): string {
  return inBase62(BigInt(crc32(random)), CHECKSUM_LENGTH);
}

function inBase62(value: bigint, length: number): string {
  let digits = "";
  for (let rest = value; digits.length < length; rest /= 62n)
    digits = DIGITS.charAt(Number(rest % 62n)) + digits;
  return digits;
}
