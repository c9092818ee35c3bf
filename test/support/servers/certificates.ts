import { writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { getProgram } from "./install.ts";
import type { Scratch } from "./scratch.ts";

/** Paths of PEM files. */
export interface Certificates {
  readonly caFile: string;
  readonly certificateFile: string;
  /** Without a passphrase; its owner alone may read it, as Samba demands. */
  readonly keyFile: string;
}

/**
 * Makes a certification authority and a server's certificate of it, for names and IP addresses; both are valid for two days
 * unless `days` is given.
 * Each call makes an authority of its own: the one of another call does not know this server.
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
