import type { KeyObject } from "node:crypto";
import { collectFault, type Faults } from "./fault.ts";
import {
  checkReadable,
  isSameKey,
  isSymmetric,
  readFingerprintKey,
  readSigningKey,
  readVerificationKey,
  verificationKeyOf,
} from "./keys.ts";
import type { Parts } from "./parts.ts";
import type { Section } from "./section.ts";
import type { RingKeySetting, SecretSetting, SignMethod } from "./sections/jwt.ts";

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
  creation: Section<"jwt_creation">,
  { parts: validation = [] }: Section<"jwt_validation">,
  folder: string,
  faults: Faults,
): { signing: SigningConfig | undefined; issuers: IssuerConfig[] } {
  if (creation.parts === undefined && !faults.has("jwt_creation")) {
    const msg = 'is missing: "authmq init" writes a configuration with a signing key';
    faults.push({ path: "jwt_creation", msg });
  }
  const signing = readSigning(creation, folder, faults);
  const own = creation.parts?.issuer;
  const names = new Set<string>();
  const issuers: IssuerConfig[] = [];
  for (const [index, entry] of validation.entries()) {
    const path = `jwt_validation.${index}`;
    const { name, audience } = entry ?? {};
    if (name !== undefined && names.has(name))
      faults.push({ path: `${path}.name`, msg: "is listed twice: leave one entry" });
    if (name !== undefined) names.add(name);
    const methods = faults.has(`${path}.methods`)
      ? undefined
      : entry?.methods?.filter((one) => one !== undefined);
    const secret = secretOf(entry?.secret);
    const key =
      secret &&
      collectFault(faults, `${path}.secret`, () =>
        methods === undefined ? checkReadable(secret, folder) : readVerificationKey(secret, methods, folder),
      );
    if (key === undefined || methods === undefined || name === undefined) continue;
    const listed = { key, methods, until: undefined };
    if (name !== own || signing === undefined) {
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
        msg: `lacks ${signing.method}, which jwt_creation signs with: add it, or leave this issuer out`,
      });
    }
    issuers.push({ name, keys: [listed, ...signing.reserve.map(verifying)], audience });
  }
  if (signing && !names.has(signing.issuer)) {
    const { issuer: name, audience } = signing;
    const keys = [{ ...signing, until: undefined }, ...signing.reserve].map(verifying);
    issuers.push({ name, keys, audience });
  }
  return { signing, issuers };
}

function verifying({ key, method, until }: ReserveKey): VerificationKey {
  return { key: verificationKeyOf(key), methods: [method], until };
}

/** A secret whose form and value are valid. */
function secretOf(parts: Parts<SecretSetting> | undefined): SecretSetting | undefined {
  const { type, value, secret } = parts ?? {};
  if (type === undefined || value === undefined) return undefined;
  return { type, value, ...(secret === undefined ? {} : { secret }) };
}

function readSigning(
  { parts, whole }: Section<"jwt_creation">,
  folder: string,
  faults: Faults,
): SigningConfig | undefined {
  if (parts === undefined) return undefined;
  const { secret, keys, fingerprint_key: fingerprint } = parts;
  const given = (path: string): boolean => faults.has(`jwt_creation.${path}`);
  if (secret === undefined && keys === undefined && !given("secret") && !given("keys"))
    faults.push({ path: "jwt_creation.secret", msg: "is missing: give the key that signs, or keys" });
  if (secret !== undefined && keys !== undefined)
    faults.push({ path: "jwt_creation.secret", msg: "goes into keys.active where there are keys" });
  const read = (setting: Parts<RingKeySetting> | undefined, path: string): SigningKey | undefined => {
    const where = `jwt_creation.${path}`;
    // Without its algorithm or passphrase a key can only be read, not checked.
    const isUnclear = faults.has(`${where}.signmethod`) || faults.has(`${where}.secret`);
    const own = isUnclear ? undefined : (setting?.signmethod ?? parts.signmethod);
    if (own !== undefined && isSymmetric(own) && setting?.secret !== undefined) {
      const msg = `is the passphrase of a private key, and ${own} has none: remove it`;
      faults.push({ path: `${where}.secret`, msg });
    }
    const material = secretOf(setting);
    const key =
      material &&
      collectFault(faults, where, () =>
        own === undefined ? checkReadable(material, folder) : readSigningKey(material, own, folder),
      );
    return key && own && { method: own, key };
  };
  // Both where both are given: one of them is too much, and either may be unreadable.
  const single = read(secret, "secret");
  const active = read(keys?.active, "keys.active");
  const next = read(keys?.next, "keys.next");
  const retiring = (keys?.retiring ?? []).map((setting, index) => {
    const key = read(setting, `keys.retiring.${index}`);
    return key && { ...key, until: new Date(setting?.until ?? 0) };
  });
  const signing = keys === undefined ? single : active;
  const reserve = [next && { ...next, until: undefined }, ...retiring].filter((key) => key !== undefined);
  const all = [signing, ...reserve].filter((key) => key !== undefined);
  if (all.some(({ key }, index) => all.slice(0, index).some((other) => isSameKey(key, other.key))))
    faults.push({ path: "jwt_creation.keys", msg: "has the same key twice: each key stands once" });
  const material = secretOf(fingerprint);
  const fingerprintKey =
    material &&
    collectFault(faults, "jwt_creation.fingerprint_key", () =>
      given("fingerprint_key.secret")
        ? checkReadable(material, folder)
        : readFingerprintKey(material, folder),
    );
  if (signing === undefined || whole === undefined) return undefined;
  return { ...signing, issuer: whole.issuer, audience: whole.audience, reserve, fingerprintKey };
}
