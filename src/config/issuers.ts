import type { KeyObject } from "node:crypto";
import { collectFault, type ConfigFault } from "./fault.ts";
import { isSameKey, isSymmetric, readSigningKey, readVerificationKey, verificationKeyOf } from "./keys.ts";
import type { Settings } from "./schema.ts";
import type { SignMethod } from "./sections/jwt.ts";

/** How this installation signs its tokens. */
export interface SigningConfig {
  readonly issuer: string;
  readonly method: SignMethod;
  readonly key: KeyObject;
  readonly audience: string | undefined;
}

/** An issuer whose access tokens are accepted, with its key and the algorithms it may use. */
export interface IssuerConfig {
  readonly name: string;
  readonly key: KeyObject;
  readonly methods: readonly SignMethod[];
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
    if (key) issuers.push({ name, key, methods, audience });
    if (key && name === creation?.issuer && signing) {
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
    }
  }
  if (signing && !validation?.some(({ name }) => name === signing.issuer)) {
    const { issuer: name, method, audience } = signing;
    issuers.push({ name, key: verificationKeyOf(signing.key), methods: [method], audience });
  }
  return { signing, issuers };
}

function readSigning(
  creation: NonNullable<Settings["jwt_creation"]>,
  folder: string,
  faults: ConfigFault[],
): SigningConfig | undefined {
  const { issuer, signmethod: method, audience } = creation;
  if (isSymmetric(method) && creation.secret.secret !== undefined) {
    faults.push({
      path: "jwt_creation.secret.secret",
      msg: `is the passphrase of a private key, and ${method} has none`,
    });
  }
  const key = collectFault(faults, "jwt_creation.secret", () =>
    readSigningKey(creation.secret, method, folder),
  );
  return key && { issuer, method, key, audience };
}
