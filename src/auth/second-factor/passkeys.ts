import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from "@simplewebauthn/server";
import { decodeAttestationObject, decodeClientDataJSON, isoBase64URL } from "@simplewebauthn/server/helpers";
import { hash } from "node:crypto";
import { foldName } from "../../db/names.ts";
import type { Fingerprints } from "../../tokens/fingerprint.ts";
import type { AppConfig } from "../../config/schema.ts";
import type { PasskeyRow, StoredPasskey } from "../../db/queries/factors.ts";

/** The relying party of passkeys: `app_config.passkeys`. */
export type RelyingParty = NonNullable<AppConfig["passkeys"]>;

/** EdDSA, ES256 and RS256 (RFC 9053): every version of Node.js verifies them, unlike the library's newest default. */
const ALGORITHMS = [-8, -7, -257];

/** How long a person may take, in milliseconds; the lifetime of the challenge. */
export const PASSKEY_TIMEOUT = 5 * 60_000;

/** The account as authenticators know it: `user.id`, which must not reveal the person (WebAuthn Level 3 section 14.6.1). */
export function userHandle(fingerprints: Fingerprints, username: string): Buffer {
  return fingerprints.of("passkey user", foldName(username));
}

/** Options for `navigator.credentials.create`, in JSON form (WebAuthn Level 3 section 5.4). */
export async function creationOptions(
  party: RelyingParty,
  user: { readonly username: string; readonly handle: Uint8Array; readonly known: readonly StoredPasskey[] },
  challenge: string,
): Promise<Readonly<Record<string, unknown>>> {
  const options = await generateRegistrationOptions({
    rpName: party.rp_name,
    rpID: party.rp_id,
    userName: user.username,
    userID: Uint8Array.from(user.handle),
    challenge: isoBase64URL.toBuffer(challenge),
    timeout: PASSKEY_TIMEOUT,
    supportedAlgorithmIDs: ALGORITHMS,
    attestationType: "none",
    excludeCredentials: user.known.map(({ id, transports }) => ({ id, transports: [...transports] })),
    authenticatorSelection: { residentKey: "preferred", userVerification: "preferred" },
  });
  return { ...options };
}

/** Options for `navigator.credentials.get`, in JSON form; without `known` passkeys the authenticator offers its own. */
export async function requestOptions(
  party: RelyingParty,
  challenge: string,
  known?: readonly StoredPasskey[],
): Promise<Readonly<Record<string, unknown>>> {
  const options = await generateAuthenticationOptions({
    rpID: party.rp_id,
    challenge: isoBase64URL.toBuffer(challenge),
    timeout: PASSKEY_TIMEOUT,
    // Alone, a passkey must prove that the person is present and verified.
    userVerification: known === undefined ? "required" : "preferred",
    ...(known && {
      allowCredentials: known.map(({ id, transports }) => ({ id, transports: [...transports] })),
    }),
  });
  return { ...options };
}

/** The challenge that a credential claims to answer; undefined if it cannot be read. */
export function challengeIn(credential: {
  readonly response: { readonly clientDataJSON: string };
}): string | undefined {
  try {
    const { challenge } = decodeClientDataJSON(credential.response.clientDataJSON);
    return typeof challenge === "string" ? challenge : undefined;
  } catch {
    return undefined;
  }
}

/** The digest by which the database identifies a passkey: SHA-256 of its credential id. */
export function digestOfCredential(id: string): Buffer {
  return hash("sha256", Buffer.from(id, "base64url"), "buffer");
}

/** Verifies the response of `navigator.credentials.create`; undefined if it is not valid. */
export async function verifyCreation(
  party: RelyingParty,
  credential: RegistrationResponseJSON,
  { challenge, handle }: { readonly challenge: string; readonly handle: Uint8Array },
): Promise<{ readonly passkey: StoredPasskey; readonly signCount: number } | undefined> {
  try {
    if (isInFrame(credential) || !isUnattested(credential)) return undefined;
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response: credential,
      expectedChallenge: challenge,
      expectedOrigin: party.origins,
      expectedRPID: party.rp_id,
      requireUserVerification: false,
      supportedAlgorithmIDs: ALGORITHMS,
    });
    if (!verified) return undefined;
    const { id, publicKey, counter } = registrationInfo.credential;
    if (id !== credential.id) return undefined; // the library does not compare them
    const passkey = {
      id,
      publicKey: isoBase64URL.fromBuffer(publicKey),
      userHandle: Buffer.from(handle).toString("base64url"),
      transports: credential.response.transports ?? [],
    };
    return { passkey, signCount: counter };
  } catch {
    return undefined; // the library throws for each rule that is not met
  }
}

/** Verifies the response of `navigator.credentials.get`; undefined if it is invalid for this passkey and challenge. */
export async function verifyRequest(
  party: RelyingParty,
  credential: AuthenticationResponseJSON,
  { passkey, signCount }: PasskeyRow,
  { challenge, isAlone }: { readonly challenge: string; readonly isAlone: boolean },
): Promise<{ readonly signCount: number } | undefined> {
  const { userHandle } = credential.response;
  // Without a username, the handle must be the owner's (WebAuthn Level 3 section 7.2, step 6).
  if (userHandle === undefined ? isAlone : userHandle !== passkey.userHandle) return undefined;
  try {
    if (isInFrame(credential)) return undefined;
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: credential,
      expectedChallenge: challenge,
      expectedOrigin: party.origins,
      expectedRPID: party.rp_id,
      requireUserVerification: isAlone,
      credential: {
        id: passkey.id,
        publicKey: isoBase64URL.toBuffer(passkey.publicKey),
        counter: signCount,
      },
    });
    return verified ? { signCount: authenticationInfo.newCounter } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the credential was used in a frame of another site's page, where people cannot see who asks for it. */
function isInFrame({ response }: { readonly response: { readonly clientDataJSON: string } }): boolean {
  return decodeClientDataJSON(response.clientDataJSON).crossOrigin === true;
}

/**
 * Whether a credential has no attestation by a manufacturer. None is requested, and to verify one, the library may
 * fetch revocation lists from addresses in the certificate.
 */
function isUnattested({ response }: RegistrationResponseJSON): boolean {
  const attestation = decodeAttestationObject(isoBase64URL.toBuffer(response.attestationObject));
  const format = attestation.get("fmt");
  return format === "none" || (format === "packed" && attestation.get("attStmt").get("x5c") === undefined);
}
