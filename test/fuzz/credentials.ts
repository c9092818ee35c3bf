/** What a browser returns for a passkey, with another response. */
const credentialWith = (response: object): string =>
  JSON.stringify({ id: "AAAA", rawId: "AAAA", type: "public-key", response });

const clientDataJSON = Buffer.from(
  JSON.stringify({ type: "webauthn.get", challenge: "A".repeat(43), origin: "https://login.example.com" }),
).toString("base64url");

/** Credentials of passkeys as JSON, none of them valid. */
export const CREDENTIALS = [
  credentialWith({ clientDataJSON, authenticatorData: "AAAA", signature: "AAAA", userHandle: null }),
  credentialWith({
    clientDataJSON,
    authenticatorData: "_w",
    signature: "_w",
    attestationObject: "v_8",
    transports: ["usb"],
  }),
  credentialWith({ clientDataJSON: "AA", attestationObject: "o2NmbXRkbm9uZQ" }),
  credentialWith({
    clientDataJSON: "bnVsbA",
    attestationObject: "oA",
    authenticatorData: "AAAA",
    signature: "AAAA",
  }),
  credentialWith({}),
  "{}",
  "[]",
];
