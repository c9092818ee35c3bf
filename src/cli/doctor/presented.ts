import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type DetailedPeerCertificate } from "node:tls";
import type { Certificate } from "../../config/certificates.ts";

/** How a client starts TLS with a server. */
export type TlsStart = "tls" | "ldap" | "mysql";

/** ExtendedRequest with the name of StartTLS (RFC 4511 section 4.14.1), as message 1. */
const LDAP_START_TLS = Buffer.concat([
  Buffer.from([0x30, 0x1d, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80, 0x16]),
  Buffer.from("1.3.6.1.4.1.1466.20037"),
]);

/** SSLRequest of MySQL's protocol: 32 bytes as packet 1, with protocol 4.1, SSL and secure connection; utf8mb4. */
const MYSQL_SSL_REQUEST = Buffer.from([
  ...[32, 0, 0, 1],
  ...[0x00, 0x8a, 0x00, 0x00],
  ...[0, 0, 0, 1],
  45,
  ...Array<number>(23).fill(0),
]);

/**
 * The certificates that a server presents, its own first. Accepts any certificate, to see expired ones too: nothing
 * is sent over the connection.
 */
export async function presentedCertificates(
  { host, port }: { readonly host: string; readonly port: number },
  start: TlsStart,
  timeout: number,
): Promise<Certificate[]> {
  const signal = AbortSignal.timeout(timeout);
  const socket = connect({ host, port });
  try {
    await once(socket, "connect", { signal });
    await beginTls(socket, start, signal);
    const secured = connectTls({ socket, rejectUnauthorized: false, servername: servernameOf(host) });
    await once(secured, "secureConnect", { signal });
    return chainOf(secured.getPeerCertificate(true));
  } finally {
    socket.destroy();
  }
}

async function beginTls(socket: Socket, start: TlsStart, signal: AbortSignal): Promise<void> {
  if (start === "tls") return;
  if (start === "ldap") socket.write(LDAP_START_TLS);
  await once(socket, "data", { signal }); // the directory's reply, or the database's greeting
  if (start === "mysql") socket.write(MYSQL_SSL_REQUEST);
}

/** SNI does not allow IP addresses (RFC 6066 section 3). */
function servernameOf(host: string): string {
  return /^[\d.]+$|:/.test(host) ? "" : host;
}

/** Node's types do not say that parts of the chain may be missing. */
type Presented = Partial<Pick<DetailedPeerCertificate, "valid_to" | "fingerprint256" | "subject">> & {
  readonly issuerCertificate?: Presented;
};

function chainOf(first: Presented): Certificate[] {
  const chain: Certificate[] = [];
  const seen = new Set<string | undefined>();
  let one: Presented | undefined = first;
  while (one?.valid_to !== undefined && !seen.has(one.fingerprint256)) {
    seen.add(one.fingerprint256);
    chain.push({ subject: `CN=${String(one.subject?.CN)}`, validTo: new Date(one.valid_to) });
    one = one.issuerCertificate;
  }
  return chain;
}
