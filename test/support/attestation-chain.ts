import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/** A certificate chain that nobody has vouched for, and the key of its first certificate. */
export interface AttestationChain {
  readonly key: KeyObject;
  /** In DER, the leaf first. */
  readonly x5c: readonly Buffer[];
}

/** Creates an attestation certificate and its CA, as WebAuthn Level 3 section 8.2.1 requires them of manufacturers. */
export function makeAttestationChain(): AttestationChain {
  const [leaf, ca] = [newKey(), newKey()];
  const [subject, issuer] = ["Authenticator Attestation", "Authenticator CA"];
  return {
    key: leaf.privateKey,
    x5c: [
      certificate({ subject, issuer, isCa: false, publicKey: leaf.publicKey, signer: ca.privateKey }),
      certificate({ subject: issuer, issuer, isCa: true, publicKey: ca.publicKey, signer: ca.privateKey }),
    ],
  };
}

function newKey() {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

interface Content {
  readonly subject: string;
  readonly issuer: string;
  readonly isCa: boolean;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
}

/** An X.509 certificate (RFC 5280 section 4.1), valid for a day before and after now. */
function certificate({ subject, issuer, isCa, publicKey, signer }: Content): Buffer {
  const ecdsaWithSha256 = sequence(id("2a8648ce3d040302"));
  const basicConstraints = sequence(
    id("551d13"),
    der(0x01, Buffer.from([0xff])),
    der(0x04, sequence(...(isCa ? [der(0x01, Buffer.from([0xff]))] : []))),
  );
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.from([isCa ? 1 : 2])),
    ecdsaWithSha256,
    nameOf(issuer),
    sequence(time(-1), time(1)),
    nameOf(subject),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(basicConstraints)),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign("sha256", body, signer)]);
  return sequence(body, ecdsaWithSha256, der(0x03, signature));
}

/** C, O, OU and CN. */
function nameOf(unit: string): Buffer {
  const parts = { "550406": "AT", "55040a": "Forger", "55040b": unit, "550403": `${unit} of a forger` };
  const sets = Object.entries(parts).map(([oid, text]) =>
    der(0x31, sequence(id(oid), der(oid === "550406" ? 0x13 : 0x0c, Buffer.from(text)))),
  );
  return sequence(...sets);
}

function time(days: number): Buffer {
  const text = new Date(Date.now() + days * 86_400_000).toISOString();
  return der(0x18, Buffer.from(`${text.slice(0, 19).replaceAll(/[-:T]/g, "")}Z`));
}

function id(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, "hex"));
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

/** A value in DER; shorter than 64 KiB. */
function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
