import type { AuthenticationResponseJSON, RegistrationResponseJSON } from "@simplewebauthn/server";
import assert from "node:assert/strict";
import { createSecretKey, generateKeyPairSync, randomBytes } from "node:crypto";
import {
  creationOptions,
  requestOptions,
  userHandle,
  verifyCreation,
  verifyRequest,
} from "../../../src/auth/second-factor/passkeys.ts";
import type { PasskeyRow } from "../../../src/db/queries/factors.ts";
import { createChallenge } from "../../../src/tokens/challenge.ts";
import { createFingerprints } from "../../../src/tokens/fingerprint.ts";
import { Authenticator, type Creation, type Options, type Use } from "../../support/authenticator.ts";

export const ORIGIN = "https://login.example.com";
export const PARTY = {
  rp_id: "example.com",
  rp_name: "Example",
  origins: [ORIGIN, "https://example.com:8443"],
};
export const FINGERPRINTS = createFingerprints(createSecretKey(randomBytes(32)));
export const HANDLE = userHandle(FINGERPRINTS, "alice");
export const OTHER_KEY = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

/** An enrolment up to its confirmation. */
export async function enrol(how: Partial<Creation> = {}, device = new Authenticator()) {
  const challenge = createChallenge();
  const options = await creationOptions(PARTY, { username: "alice", handle: HANDLE, known: [] }, challenge);
  const credential = device.create(options, { origin: ORIGIN, ...how });
  return { device, options, challenge, credential };
}

export const confirm = (credential: RegistrationResponseJSON, challenge: string) =>
  verifyCreation(PARTY, credential, { challenge, handle: HANDLE });

/** An enrolled passkey, as the database has it. */
export async function enrolled(how: Partial<Creation> = {}, device?: Authenticator) {
  const begun = await enrol(how, device);
  const verified = await confirm(begun.credential, begun.challenge);
  assert.ok(verified !== undefined, "the passkey was not enrolled");
  const row: PasskeyRow = { id: 1n, username: "alice", ...verified };
  return { ...begun, row };
}

/** The result of a login with a passkey, after these changes to it. */
export async function use(
  { device, row }: { device: Authenticator; row: PasskeyRow },
  how: Partial<Use> = {},
  {
    isAlone = false,
    expected,
    change = (answer) => answer,
  }: {
    isAlone?: boolean;
    expected?: string;
    change?: (answer: AuthenticationResponseJSON) => AuthenticationResponseJSON;
  } = {},
) {
  const challenge = createChallenge();
  const options: Options = await requestOptions(PARTY, challenge, isAlone ? undefined : [row.passkey]);
  const answer = change(device.get(options, { origin: ORIGIN, ...how }));
  return verifyRequest(PARTY, answer, row, { challenge: expected ?? challenge, isAlone });
}

export const inResponse =
  (changes: object) =>
  <A extends { response: object }>(answer: A): A => ({
    ...answer,
    response: { ...answer.response, ...changes },
  });

/** What both ceremonies must reject. */
export const FALSIFIED: Readonly<Record<string, Partial<Creation & Use>>> = {
  "of another site": { origin: "https://example.org" },
  "of a site whose name ends like this one": { origin: "https://notexample.com" },
  "of a subdomain that is not listed": { origin: "https://blog.example.com" },
  "of the same host without TLS": { origin: "http://login.example.com" },
  "of another port": { origin: "https://login.example.com:444" },
  "of an origin with a slash": { origin: `${ORIGIN}/` },
  "without an origin": { origin: "" },
  "for another RP id": { rpId: "example.org" },
  "for a subdomain as RP id": { rpId: "login.example.com" },
  "for another challenge": { challenge: createChallenge() },
  "for a challenge with padding": { challenge: `${createChallenge()}=` },
  "without a challenge": { challenge: "" },
  "of a user who is not present": { present: false },
  "of a page in another site's frame": { crossOrigin: true, topOrigin: "https://example.org" },
  "of a page in a frame, without the outer site": { crossOrigin: true },
  "with flags that contradict each other": { eligible: false, backedUp: true },
};
