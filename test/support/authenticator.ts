import type { AuthenticationResponseJSON, RegistrationResponseJSON } from "@simplewebauthn/server";
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import type { AttestationChain } from "./attestation-chain.ts";
import { type Cbor, encodeCbor } from "./cbor.ts";

/** COSE algorithms (RFC 9053, RFC 8812). */
const ALGORITHMS = { ES256: -7, EdDSA: -8, RS256: -257 } as const;

export type Algorithm = keyof typeof ALGORITHMS;

/** The options of a ceremony, as `passkey_begin`, `login` and `passkey_login_begin` return them. */
export type Options = Readonly<Record<string, unknown>>;

/** Where a ceremony takes place, and what is falsified in it. */
export interface Ceremony {
  readonly origin: string;
  /** By default that of the options. */
  readonly challenge?: string;
  readonly rpId?: string;
  readonly type?: string;
  readonly crossOrigin?: unknown;
  readonly topOrigin?: string;
  /** Whether the user is present (UP) and verified (UV); by default both. */
  readonly present?: boolean;
  readonly verified?: boolean;
  /** Whether the key can be synchronized (BE) and is (BS); by default neither. */
  readonly eligible?: boolean;
  readonly backedUp?: boolean;
  /** The signature counter; by default one more than at the last use. */
  readonly counter?: number;
  /** Signs instead of the credential's key. */
  readonly signer?: KeyObject;
}

/** How a credential is created. */
export interface Creation extends Ceremony {
  readonly algorithm?: Algorithm;
  /** "self": by the credential's own key. By default none. */
  readonly attestation?: "self" | AttestationChain;
  /** Replaces the attestation object. */
  readonly attestationObject?: Uint8Array;
  readonly credentialId?: Uint8Array;
  readonly transports?: string[];
}

/** How a credential is used. */
export interface Use extends Ceremony {
  /** The id of the credential; by default the first that the options allow, or the newest one. */
  readonly use?: string;
  /** In the response, instead of the credential's own. */
  readonly id?: string;
  /** null: none. By default that of the credential. */
  readonly userHandle?: string | null;
}

interface Credential {
  readonly id: Buffer;
  readonly rpId: string;
  readonly userHandle: string;
  readonly algorithm: Algorithm;
  readonly privateKey: KeyObject;
  counter: number;
}

/** An authenticator in software, and the browser before it: resident credentials, and everything that can be falsified. */
export class Authenticator {
  readonly #credentials: Credential[] = [];
  /** Synchronized passkeys have no counter: it stays 0. */
  readonly #counts: boolean;

  constructor({ counts = true }: { readonly counts?: boolean } = {}) {
    this.#counts = counts;
  }

  /** The ids of the credentials, the oldest first. */
  get ids(): string[] {
    return this.#credentials.map(({ id }) => id.toString("base64url"));
  }

  /** The private key of the credential with this id, for an attacker who has copied it. */
  keyOf(id: string): KeyObject {
    return this.#find(id).privateKey;
  }

  /** The response of `navigator.credentials.create`. */
  create(options: Options, how: Creation): RegistrationResponseJSON {
    const { algorithm = "ES256", attestation, counter = 0 } = how;
    const { rp, user } = options as { rp: { id: string }; user: { id: string } };
    const { publicKey, privateKey } = generateKey(algorithm);
    const id = Buffer.from(how.credentialId ?? randomBytes(32));
    this.#credentials.push({ id, rpId: rp.id, userHandle: user.id, algorithm, privateKey, counter });
    const size = Buffer.alloc(2);
    size.writeUInt16BE(id.length);
    const attested = Buffer.concat([Buffer.alloc(16), size, id, encodeCbor(coseKey(algorithm, publicKey))]);
    const clientData = clientDataOf(options, { type: "webauthn.create", ...how });
    const authData = authDataOf(how.rpId ?? rp.id, how, counter, attested);
    const signer = how.signer ?? (typeof attestation === "object" ? attestation.key : privateKey);
    const alg = typeof attestation === "object" ? "ES256" : algorithm;
    const statement = new Map<string, Cbor>();
    if (attestation !== undefined) {
      statement.set("alg", ALGORITHMS[alg]).set("sig", signed(alg, signer, authData, clientData));
      if (attestation !== "self") statement.set("x5c", attestation.x5c);
    }
    const object = new Map<string, Cbor>([
      ["fmt", attestation === undefined ? "none" : "packed"],
      ["attStmt", statement],
      ["authData", authData],
    ]);
    return {
      id: id.toString("base64url"),
      rawId: id.toString("base64url"),
      type: "public-key",
      clientExtensionResults: {},
      response: {
        clientDataJSON: clientData.toString("base64url"),
        attestationObject: Buffer.from(how.attestationObject ?? encodeCbor(object)).toString("base64url"),
        // The types of browsers know these only.
        transports: how.transports ?? ["internal"],
      },
    };
  }

  /** The response of `navigator.credentials.get`. */
  get(options: Options, how: Use): AuthenticationResponseJSON {
    const { allowCredentials = [], rpId } = options as { allowCredentials?: { id: string }[]; rpId: string };
    const credential = this.#find(
      how.use ?? this.ids.findLast((id) => allowCredentials.some((one) => one.id === id)) ?? this.ids.at(-1),
    );
    const counter = how.counter ?? (this.#counts ? credential.counter + 1 : 0);
    credential.counter = Math.max(credential.counter, counter);
    const clientData = clientDataOf(options, { type: "webauthn.get", ...how });
    const authData = authDataOf(how.rpId ?? rpId, how, counter);
    const { algorithm, privateKey, userHandle } = credential;
    const id = how.id ?? credential.id.toString("base64url");
    return {
      id,
      rawId: id,
      type: "public-key",
      clientExtensionResults: {},
      response: {
        clientDataJSON: clientData.toString("base64url"),
        authenticatorData: authData.toString("base64url"),
        signature: signed(algorithm, how.signer ?? privateKey, authData, clientData).toString("base64url"),
        ...(how.userHandle === null ? {} : { userHandle: how.userHandle ?? userHandle }),
      },
    };
  }

  #find(id: string | undefined): Credential {
    const found = this.#credentials.find((one) => one.id.toString("base64url") === id);
    if (found === undefined) throw new Error(`no credential ${id}`);
    return found;
  }
}

/** CollectedClientData (WebAuthn Level 3 section 5.8.1). */
function clientDataOf(
  options: Options,
  { type, challenge, origin, crossOrigin = false, topOrigin }: Ceremony,
): Buffer {
  const data = { type, challenge: challenge ?? options["challenge"], origin, crossOrigin, topOrigin };
  return Buffer.from(JSON.stringify(data));
}

/** Authenticator data (WebAuthn Level 3 section 6.1). */
function authDataOf(rpId: string, how: Ceremony, counter: number, attested = Buffer.alloc(0)): Buffer {
  const { present = true, verified = true, eligible = false, backedUp = false } = how;
  const bits = [present, false, verified, eligible, backedUp, false, attested.length > 0];
  const flags = bits.reduce((sum, isSet, bit) => sum | (Number(isSet) << bit), 0);
  const fixed = Buffer.alloc(5);
  fixed.writeUInt8(flags);
  fixed.writeUInt32BE(counter, 1);
  return Buffer.concat([createHash("sha256").update(rpId).digest(), fixed, attested]);
}

function signed(algorithm: Algorithm, key: KeyObject, authData: Uint8Array, clientData: Uint8Array): Buffer {
  const data = Buffer.concat([authData, createHash("sha256").update(clientData).digest()]);
  return sign(algorithm === "EdDSA" ? null : "sha256", data, key);
}

function generateKey(algorithm: Algorithm) {
  if (algorithm === "EdDSA") return generateKeyPairSync("ed25519");
  if (algorithm === "RS256") return generateKeyPairSync("rsa", { modulusLength: 2048 });
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

/** A public key in COSE form (RFC 9053 section 7, RFC 8230 section 4). */
function coseKey(algorithm: Algorithm, key: KeyObject): ReadonlyMap<number, Cbor> {
  const jwk = key.export({ format: "jwk" });
  const [x, y, n, e] = [jwk.x, jwk.y, jwk.n, jwk.e].map((part) => Buffer.from(part ?? "", "base64url"));
  const parts: Readonly<Record<Algorithm, readonly (readonly [number, Cbor | undefined])[]>> = {
    ES256: [
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, x],
      [-3, y],
    ],
    EdDSA: [
      [1, 1],
      [3, -8],
      [-1, 6],
      [-2, x],
    ],
    RS256: [
      [1, 3],
      [3, -257],
      [-1, n],
      [-2, e],
    ],
  };
  return new Map(parts[algorithm].map(([label, value]) => [label, value ?? ""]));
}
