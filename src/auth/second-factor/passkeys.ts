import type { AuthenticationResponseJSON, RegistrationResponseJSON } from "@simplewebauthn/server";
import { hash } from "node:crypto";
import { foldName } from "../../db/names.ts";
import type { Fingerprints } from "../../tokens/fingerprint.ts";
import type { AppConfig } from "../../config/schema.ts";
import type { PasskeyRow, StoredPasskey } from "../../db/queries/factors.ts";

/** A response of either kind. */
interface Credential {
  readonly response: { readonly clientDataJSON: string };
}

/** The relying party of passkeys: `app_config.passkeys`. */
export type RelyingParty = NonNullable<AppConfig["passkeys"]>;

/** EdDSA, ES256 and RS256 (RFC 9053): every version of Node.js verifies them, unlike the library's newest default. */
const ALGORITHMS = [-8, -7, -257];

// Loaded when it is needed: it has 290 modules, a quarter of all that a worker would load.
const webAuthn = () => import("@simplewebauthn/server");
const webAuthnHelpers = () => import("@simplewebauthn/server/helpers");

/** Loads what passkeys need, so that the first request does not wait for it. */
export async function preloadPasskeys(): Promise<void> {
  await Promise.all([webAuthn(), webAuthnHelpers()]);
}

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
  const { generateRegistrationOptions } = await webAuthn();
  const options = await generateRegistrationOptions({
    rpName: party.rp_name,
    rpID: party.rp_id,
    userName: user.username,
    userID: Uint8Array.from(user.handle),
    challenge: bytesOf(challenge),
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
  const { generateAuthenticationOptions } = await webAuthn();
  const options = await generateAuthenticationOptions({
    rpID: party.rp_id,
    challenge: bytesOf(challenge),
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
export function challengeIn(credential: Credential): string | undefined {
  try {
    const { challenge } = readClientData(credential);
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
    if (isInFrame(credential) || !(await isUnattested(credential))) return undefined;
    const { verifyRegistrationResponse } = await webAuthn();
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
      publicKey: Buffer.from(publicKey).toString("base64url"),
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
    const { verifyAuthenticationResponse } = await webAuthn();
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: credential,
      expectedChallenge: challenge,
      expectedOrigin: party.origins,
      expectedRPID: party.rp_id,
      requireUserVerification: isAlone,
      credential: {
        id: passkey.id,
        publicKey: bytesOf(passkey.publicKey),
        counter: signCount,
      },
    });
    return verified ? { signCount: authenticationInfo.newCounter } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the credential was used in a frame of another site's page, where people cannot see who asks for it. */
function isInFrame(credential: Credential): boolean {
  return readClientData(credential).crossOrigin === true;
}

/** What the browser says about the use of a credential (WebAuthn Level 3 section 5.8.1); throws if it is not JSON. */
function readClientData({ response }: Credential): {
  readonly challenge?: unknown;
  readonly crossOrigin?: unknown;
} {
  // Its members may have any type, and for other values than objects they are absent.
  return JSON.parse(Buffer.from(response.clientDataJSON, "base64url").toString()) as object;
}

function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(base64url, "base64url"));
}

/**
 * Whether a credential has no attestation by a manufacturer. None is requested, and to verify one, the library may
 * fetch revocation lists from addresses in the certificate.
 */
async function isUnattested({ response }: RegistrationResponseJSON): Promise<boolean> {
  const { decodeAttestationObject } = await webAuthnHelpers();
  const attestation = decodeAttestationObject(bytesOf(response.attestationObject));
  const format = attestation.get("fmt");
  return format === "none" || (format === "packed" && attestation.get("attStmt").get("x5c") === undefined);
}
