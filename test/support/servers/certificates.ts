import { writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { getProgram } from "./install.ts";
import type { Scratch } from "./scratch.ts";

/** Paths of PEM files. */
export interface Certificates {
  readonly caFile: string;
  readonly certificateFile: string;
  /** Without a passphrase; readable only by its owner, as Samba requires. */
  readonly keyFile: string;
}

/**
 * Creates a CA and a server certificate for names and IP addresses, valid for `days` (default two) days.
 * Each call creates its own CA, which does not verify the certificates of other calls.
 */
export async function makeCertificates(
  scratch: Scratch,
  name: string,
  { hosts, days = 2 }: { hosts: readonly string[]; days?: number },
): Promise<Certificates> {
  const folder = scratch.subfolder(`${name}-certificates`);
  const path = (file: string): string => join(folder, file);
  writeFileSync(path("openssl.cnf"), settings(hosts));
  const make = (file: string, section: string, ...options: string[]): Promise<void> =>
    scratch.run(
      getProgram("openssl"),
      [
        ...["req", "-x509", "-config", path("openssl.cnf"), "-extensions", section, "-days", String(days)],
        ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"],
        ...["-subj", `/CN=${name} ${section}`, "-keyout", path(`${file}.key`), "-out", path(`${file}.pem`)],
        ...options,
      ],
      { name: `${name}-openssl`, env: { PATH: process.env["PATH"] } },
    );
  await make("ca", "authority");
  await make("server", "server", "-CA", path("ca.pem"), "-CAkey", path("ca.key"));
  return { caFile: path("ca.pem"), certificateFile: path("server.pem"), keyFile: path("server.key") };
}

function settings(hosts: readonly string[]): string {
  return [
    "[req]",
    "distinguished_name = subject",
    "[subject]",
    "[authority]",
    "basicConstraints = critical, CA:true",
    "keyUsage = critical, keyCertSign, cRLSign",
    "subjectKeyIdentifier = hash",
    "[server]",
    "basicConstraints = critical, CA:false",
    "extendedKeyUsage = serverAuth",
    "authorityKeyIdentifier = keyid",
    "subjectAltName = @hosts",
    "[hosts]",
    ...hosts.map((host, index) => `${isIP(host) ? "IP" : "DNS"}.${index} = ${host}`),
    "",
  ].join("\n");
}
