import type { KeyObject } from "node:crypto";
import { collectFault, type ConfigFault } from "./fault.ts";
import {
  isSameKey,
  isSymmetric,
  readFingerprintKey,
  readSigningKey,
  readVerificationKey,
  verificationKeyOf,
} from "./keys.ts";
import type { Settings } from "./schema.ts";
import type { RingKeySetting, SignMethod } from "./sections/jwt.ts";

/** One key of this installation, and the algorithm that it is for. */
export interface SigningKey {
  readonly method: SignMethod;
  readonly key: KeyObject;
}

/** A key beside the one that signs: its tokens are accepted. */
export interface ReserveKey extends SigningKey {
  /** When its last token has expired; undefined for one that is yet to sign. */
  readonly until: Date | undefined;
}

/** How this installation signs its tokens. */
export interface SigningConfig extends SigningKey {
  readonly issuer: string;
  readonly audience: string | undefined;
  /** The next key, and those before. */
  readonly reserve: readonly ReserveKey[];
  /** What the key of stored digests is made of; the key that signs, unless given. */
  readonly fingerprintKey: KeyObject | undefined;
}

/** A key that verifies, and the algorithms that it may be used with. */
export interface VerificationKey {
  readonly key: KeyObject;
  readonly methods: readonly SignMethod[];
  /** Not accepted any more from then on. */
  readonly until: Date | undefined;
}

/** An issuer whose access tokens are accepted, with its keys. */
export interface IssuerConfig {
  readonly name: string;
  readonly keys: readonly VerificationKey[];
  /** What its tokens must be meant for; the own issuer's stands in the signing configuration. */
  readonly audience: string | undefined;
}

/** The signing key and the issuers to trust, the own one among them; what is wrong goes into `faults`. */
export function readIssuers(
  creation: Settings["jwt_creation"],
  absent: boolean,
  validation: Settings["jwt_validation"] | undefined,
  folder: string,
  faults: ConfigFault[],
): { signing: SigningConfig | undefined; issuers: IssuerConfig[] } {
  if (absent) {
    const msg = 'is missing: "authmq init" writes a configuration with a signing key';
    faults.push({ path: "jwt_creation", msg });
  }
  const signing = creation && readSigning(creation, folder, faults);
  const issuers: IssuerConfig[] = [];
  for (const [index, { name, secret, methods, audience }] of (validation ?? []).entries()) {
    const path = `jwt_validation.${index}`;
    if (issuers.some((issuer) => issuer.name === name))
      faults.push({ path: `${path}.name`, msg: "is listed twice" });
    const key = collectFault(faults, `${path}.secret`, () => readVerificationKey(secret, methods, folder));
    if (key === undefined) continue;
    const listed = { key, methods, until: undefined };
    if (name !== creation?.issuer || signing === undefined) {
      issuers.push({ name, keys: [listed], audience });
      continue;
    }
    if (!isSameKey(verificationKeyOf(signing.key), key)) {
      faults.push({
        path: `${path}.secret`,
        msg: "does not verify what jwt_creation signs: give its public key, or leave this issuer out",
      });
    } else if (!methods.includes(signing.method)) {
      faults.push({
        path: `${path}.methods`,
        msg: `lacks ${signing.method}, which jwt_creation signs with`,
      });
    }
    issuers.push({ name, keys: [listed, ...signing.reserve.map(verifying)], audience });
  }
  if (signing && !validation?.some(({ name }) => name === signing.issuer)) {
    const { issuer: name, audience } = signing;
    const keys = [{ ...signing, until: undefined }, ...signing.reserve].map(verifying);
    issuers.push({ name, keys, audience });
  }
  return { signing, issuers };
}

function verifying({ key, method, until }: ReserveKey): VerificationKey {
  return { key: verificationKeyOf(key), methods: [method], until };
}

function readSigning(
  creation: NonNullable<Settings["jwt_creation"]>,
  folder: string,
  faults: ConfigFault[],
): SigningConfig | undefined {
  const { issuer, signmethod, audience, secret, keys, fingerprint_key: fingerprint } = creation;
  const active = keys?.active ?? secret;
  if (active === undefined)
    faults.push({ path: "jwt_creation.secret", msg: "is missing: give the key that signs, or keys" });
  if (keys !== undefined && secret !== undefined)
    faults.push({ path: "jwt_creation.secret", msg: "goes into keys.active where there are keys" });
  const read = (setting: RingKeySetting | undefined, path: string): SigningKey | undefined => {
    if (setting === undefined) return undefined;
    const method = setting.signmethod ?? signmethod;
    const where = `jwt_creation.${path}`;
    if (isSymmetric(method) && setting.secret !== undefined) {
      const msg = `is the passphrase of a private key, and ${method} has none`;
      faults.push({ path: `${where}.secret`, msg });
    }
    const key = collectFault(faults, where, () => readSigningKey(setting, method, folder));
    return key && { method, key };
  };
  const signing = read(active, keys === undefined ? "secret" : "keys.active");
  const next = read(keys?.next, "keys.next");
  const retiring = (keys?.retiring ?? []).map((setting, index) => {
    const key = read(setting, `keys.retiring.${index}`);
    return key && { ...key, until: new Date(setting.until) };
  });
  const reserve = [next && { ...next, until: undefined }, ...retiring].filter((key) => key !== undefined);
  const all = [signing, ...reserve].filter((key) => key !== undefined);
  if (all.some(({ key }, index) => all.slice(0, index).some((other) => isSameKey(key, other.key))))
    faults.push({ path: "jwt_creation.keys", msg: "has the same key twice" });
  const fingerprintKey =
    fingerprint &&
    collectFault(faults, "jwt_creation.fingerprint_key", () => readFingerprintKey(fingerprint, folder));
  return signing && { ...signing, issuer, audience, reserve, fingerprintKey };
}
