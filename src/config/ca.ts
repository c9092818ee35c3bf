import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf } from "../errors.ts";
import { BadSetting, collectFault, type Faults } from "./fault.ts";

/** Reads a section's `ca_file`, if it has one; adds errors to `faults`. */
export function readCa(
  file: string | undefined,
  section: string,
  folder: string,
  faults: Faults,
): Buffer | undefined {
  if (file === undefined) return undefined;
  return collectFault(faults, `${section}.ca_file`, () => {
    const bytes = readBytes(resolve(folder, file));
    checkCertificates(bytes);
    return bytes;
  });
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new BadSetting(`cannot be read: ${messageOf(error)}`);
  }
}

/** A certificate in a PEM file; like OpenSSL, only at the beginning of a line. */
const CERTIFICATE =
  /^-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----\s*$(?:[^-]*^-----END (?:X509 |TRUSTED )?CERTIFICATE-----)?/gm;

/** Throws BadSetting unless all certificates can be read; Node ignores invalid ones and then trusts no server. */
function checkCertificates(bytes: Buffer): void {
  const blocks = bytes.toString("latin1").match(CERTIFICATE) ?? [];
  if (blocks.length === 0) throw new BadSetting(`has no PEM certificate: ${adviceOn(bytes)}`);
  for (const [index, block] of blocks.entries()) {
    if (!canBeRead(block))
      throw new BadSetting(
        `certificate ${index + 1} of ${blocks.length} is damaged: copy the CA's certificate again`,
      );
  }
}

function canBeRead(certificate: string | Buffer): boolean {
  try {
    return new X509Certificate(certificate).raw.length > 0;
  } catch {
    return false;
  }
}

/** What the file contains instead of a certificate, and what to do. */
function adviceOn(bytes: Buffer): string {
  const text = bytes.toString("latin1");
  const kind = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(text)?.[1] ?? "";
  if (text.trim() === "") return "the file is empty; it must contain the certificate of the CA";
  if (kind.endsWith("PRIVATE KEY"))
    return "it contains a private key; use the certificate of the CA, and keep the key secret";
  if (kind.endsWith("CERTIFICATE REQUEST"))
    return "it contains a certificate request; use the certificate of the CA that signs it";
  if (kind === "PKCS7" || kind === "CMS")
    return "it contains PKCS #7; convert it with: openssl pkcs7 -print_certs -in FILE -out ca.pem";
  if (kind.endsWith("CERTIFICATE"))
    return "-----BEGIN CERTIFICATE----- must be at the beginning of a line; save the file as plain ASCII";
  if (kind !== "") return `it contains a ${kind}; use the certificate of the CA`;
  if (canBeRead(bytes)) return "it is DER; convert it with: openssl x509 -inform der -in FILE -out ca.pem";
  return "use the certificate of the CA, a text that begins with -----BEGIN CERTIFICATE-----";
}
