import {
  type Certificate,
  certificatesIn,
  daysLeft,
  EXPIRY_WARNING_DAYS,
} from "../../config/certificates.ts";
import type { Config } from "../../config/load.ts";
import { DEADLINE } from "./connection.ts";
import { readKeyTexts } from "./files.ts";
import { type Finding, findingsOn } from "./finding.ts";
import { presentedCertificates, type TlsStart } from "./presented.ts";

const on = findingsOn("certificates");

interface TlsServer {
  readonly what: string;
  readonly host: string;
  readonly port: number;
  readonly start: TlsStart;
}

/** Which certificates have expired or soon will: of CA files, of keys, and those that servers present. */
export async function certificateFindings(file: string | undefined, config: Config): Promise<Finding[]> {
  const now = Date.now();
  const texts = [...caFiles(config), ...readKeyTexts(file, config.origins)];
  const inFiles = texts.flatMap(([name, text]) => bundleFindings(name, certificatesIn(text), now));
  const presented = await Promise.all(tlsServers(config).map((server) => serverFindings(server, now)));
  const findings = [...inFiles, ...presented.flat()];
  if (findings.length > 0) return findings;
  const checked = texts.some(([, text]) => certificatesIn(text).length > 0);
  return checked ? [on.ok(`none expires within ${EXPIRY_WARNING_DAYS} days`)] : [];
}

function caFiles({ amqp, db, directory }: Config): (readonly [name: string, pem: Buffer])[] {
  const files = [
    ["amqp_settings.ca_file", amqp.ca],
    ["db_settings.ca_file", db.dialect === "mysql" ? db.ca : undefined],
    ["ldap_settings.ca_file", directory?.ca],
  ] as const;
  return files.flatMap(([name, pem]) => (pem === undefined ? [] : [[name, pem] as const]));
}

/** A file fails when all in it have expired: while one is valid, it may be the one that counts. */
function bundleFindings(name: string, certificates: readonly Certificate[], now: number): Finding[] {
  const isDead = certificates.every((one) => daysLeft(one, now) < 0);
  return certificates.flatMap((one) => {
    const days = daysLeft(one, now);
    if (days >= EXPIRY_WARNING_DAYS) return [];
    const advice = `Put its successor into the file of ${name}, and restart the workers.`;
    const text = `${name}: ${describe(one, days)}`;
    return [isDead ? on.fail(text, advice) : on.warn(text, advice)];
  });
}

function tlsServers({ amqp, db, directory }: Config): TlsServer[] {
  const servers: TlsServer[] = [];
  if (amqp.ca !== undefined)
    for (const { host, port } of amqp.nodes) servers.push({ what: "the broker", host, port, start: "tls" });
  if (db.dialect === "mysql" && db.ca !== undefined)
    servers.push({ what: "the database", host: db.host, port: db.port, start: "mysql" });
  for (const { host, port, tls } of directory?.servers ?? [])
    if (tls !== "none")
      servers.push({ what: "the directory", host, port, start: tls === "ldaps" ? "tls" : "ldap" });
  return servers;
}

async function serverFindings({ what, host, port, start }: TlsServer, now: number): Promise<Finding[]> {
  let chain: readonly Certificate[];
  try {
    chain = await presentedCertificates({ host, port }, start, DEADLINE);
  } catch {
    return []; // why the server cannot be used is a finding of its own
  }
  return chain.flatMap((one) => {
    const days = daysLeft(one, now);
    if (days >= EXPIRY_WARNING_DAYS) return [];
    const text = `${what} at ${host}:${port} presents ${describe(one, days)}`;
    const advice = "Renew it on that server.";
    return [days < 0 ? on.fail(text, advice) : on.warn(text, advice)];
  });
}

function describe({ subject, validTo }: Certificate, days: number): string {
  const date = validTo.toISOString().slice(0, 10);
  if (days < 0) return `the certificate ${subject} has expired on ${date}`;
  return `the certificate ${subject} expires on ${date}, in ${days} day${days === 1 ? "" : "s"}`;
}
