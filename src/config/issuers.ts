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

/** A signing key of this installation and its algorithm. */
export interface SigningKey {
  readonly method: SignMethod;
  readonly key: KeyObject;
}

/** The next key or a retiring key: its tokens are accepted, but it does not sign. */
export interface ReserveKey extends SigningKey {
  /** The time when its last token expires; undefined for the next key. */
  readonly until: Date | undefined;
}

/** How authmq signs its tokens. */
export interface SigningConfig extends SigningKey {
  readonly issuer: string;
  readonly audience: string | undefined;
  /** The next key and the retiring keys. */
  readonly reserve: readonly ReserveKey[];
  /** Whether the header of access tokens has copies of the claims. */
  readonly legacyHeaderClaims?: boolean;
  /** Secret for stored digests; undefined to use the signing key. */
  readonly fingerprintKey: KeyObject | undefined;
}

/** A verification key and its allowed algorithms. */
export interface VerificationKey {
  readonly key: KeyObject;
  readonly methods: readonly SignMethod[];
  /** The key is rejected from this time on. */
  readonly until: Date | undefined;
}

/** A trusted issuer of access tokens, with its keys. */
export interface IssuerConfig {
  readonly name: string;
  readonly keys: readonly VerificationKey[];
  /** The required `aud` claim of its tokens; for authmq's own tokens see SigningConfig. */
  readonly audience: string | undefined;
}

/** Reads the signing key and the trusted issuers, including this installation; adds errors to `faults`. */
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
      faults.push({ path: `${path}.name`, msg: "is listed twice: remove one entry" });
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
        msg: "does not verify tokens of jwt_creation: set its public key, or remove this issuer",
      });
    } else if (!methods.includes(signing.method)) {
      faults.push({
        path: `${path}.methods`,
        msg: `lacks ${signing.method}, which jwt_creation signs with: add it, or remove this issuer`,
      });
    }
    issuers.push({ name, keys: [listed, ...signing.reserve.map(toVerificationKey)], audience });
  }
  if (signing && !names.has(signing.issuer)) {
    const { issuer: name, audience } = signing;
    const keys = [{ ...signing, until: undefined }, ...signing.reserve].map(toVerificationKey);
    issuers.push({ name, keys, audience });
  }
  return { signing, issuers };
}

function toVerificationKey({ key, method, until }: ReserveKey): VerificationKey {
  return { key: verificationKeyOf(key), methods: [method], until };
}

/** The secret, if its type and value are valid. */
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
    faults.push({
      path: "jwt_creation.secret",
      msg: "is missing: set the signing key here, or set jwt_creation.keys",
    });
  if (secret !== undefined && keys !== undefined)
    faults.push({ path: "jwt_creation.secret", msg: "cannot be used with keys: move it to keys.active" });
  const read = (setting: Parts<RingKeySetting> | undefined, path: string): SigningKey | undefined => {
    const where = `jwt_creation.${path}`;
    // Without algorithm or passphrase, check only that the key can be read.
    const isUnclear = faults.has(`${where}.signmethod`) || faults.has(`${where}.secret`);
    const own = isUnclear ? undefined : (setting?.signmethod ?? parts.signmethod);
    if (own !== undefined && isSymmetric(own) && setting?.secret !== undefined) {
      const msg = `is a passphrase for a private key, but ${own} uses a shared secret: remove it`;
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
  // Read both, even if only one is allowed, to report all errors.
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
    faults.push({ path: "jwt_creation.keys", msg: "has the same key twice: remove one of them" });
  const material = secretOf(fingerprint);
  const fingerprintKey =
    material &&
    collectFault(faults, "jwt_creation.fingerprint_key", () =>
      given("fingerprint_key.secret")
        ? checkReadable(material, folder)
        : readFingerprintKey(material, folder),
    );
  if (parts.legacy_header_claims === true)
    checkLegacyClaims(parts.audience, [signing?.method, next?.method], faults);
  if (signing === undefined || whole === undefined) return undefined;
  const { issuer, audience, legacy_header_claims: legacyHeaderClaims } = whole;
  return { ...signing, issuer, audience, reserve, legacyHeaderClaims, fingerprintKey };
}

/** Services of py_auth_micro know HS* and RS* only, and reject a token with an audience. */
function checkLegacyClaims(
  audience: string | undefined,
  methods: readonly (SignMethod | undefined)[],
  faults: Faults,
): void {
  const path = "jwt_creation.legacy_header_claims";
  const unknown = methods.find((method) => method !== undefined && !/^[HR]S/.test(method));
  if (unknown !== undefined)
    faults.push({
      path,
      msg: `services of py_auth_micro cannot verify ${unknown}: sign with HS* or RS*, or set this to false`,
    });
  if (audience !== undefined)
    faults.push({
      path,
      msg: "services of py_auth_micro reject tokens with an audience: remove jwt_creation.audience, or set this to false",
    });
}
