import {
  caFiles,
  type Certificate,
  certificatesIn,
  daysLeft,
  describeEnd,
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

/** Finds certificates that have expired or expire soon: in CA files, in keys, and those that servers present. */
export async function certificateFindings(file: string | undefined, config: Config): Promise<Finding[]> {
  const now = Date.now();
  const keys = readKeyTexts(file, config.origins).map(
    ([name, text]) => [name, certificatesIn(text)] as const,
  );
  const files = [...caFiles(config), ...keys];
  const chains = await Promise.all(
    tlsServers(config).map(async (server) => ({ server, chain: await chainOf(server) })),
  );
  const findings = [
    ...files.flatMap(([name, certificates]) => bundleFindings(name, certificates, now)),
    ...chains.flatMap(({ server, chain }) => serverFindings(server, chain, now)),
  ];
  if (findings.length > 0) return findings;
  const count = [...files.map(([, certificates]) => certificates), ...chains.map(({ chain }) => chain)].flat()
    .length;
  return count === 0 ? [] : [on.ok(`none of ${count} expires within ${EXPIRY_WARNING_DAYS} days`)];
}

/** A file fails only if all its certificates have expired: a valid one may be the one in use. */
function bundleFindings(name: string, certificates: readonly Certificate[], now: number): Finding[] {
  const allExpired = certificates.every((one) => daysLeft(one, now) < 0);
  return certificates.flatMap((one) => {
    const days = daysLeft(one, now);
    if (days >= EXPIRY_WARNING_DAYS) return [];
    const advice = `Replace it in the file of ${name}, and restart the workers.`;
    const text = `${name}: ${describeEnd(one, days)}`;
    return [allExpired ? on.fail(text, advice) : on.warn(text, advice)];
  });
}

function tlsServers({ amqp, db, directory }: Config): TlsServer[] {
  const servers: TlsServer[] = [];
  if (amqp.tls)
    for (const { host, port } of amqp.nodes) servers.push({ what: "the broker", host, port, start: "tls" });
  if (db.dialect === "mysql" && db.tls)
    servers.push({ what: "the database", host: db.host, port: db.port, start: "mysql" });
  for (const { host, port, tls } of directory?.servers ?? [])
    if (tls !== "none")
      servers.push({ what: "the directory", host, port, start: tls === "ldaps" ? "tls" : "ldap" });
  return servers;
}

/** Empty if the server cannot be reached: another finding reports that. */
async function chainOf({ host, port, start }: TlsServer): Promise<readonly Certificate[]> {
  return presentedCertificates({ host, port }, start, DEADLINE).catch(() => []);
}

function serverFindings(
  { what, host, port }: TlsServer,
  chain: readonly Certificate[],
  now: number,
): Finding[] {
  return chain.flatMap((one) => {
    const days = daysLeft(one, now);
    if (days >= EXPIRY_WARNING_DAYS) return [];
    const text = `${what} at ${host}:${port} presents ${describeEnd(one, days)}`;
    const advice = "Renew it on that server.";
    return [days < 0 ? on.fail(text, advice) : on.warn(text, advice)];
  });
}
