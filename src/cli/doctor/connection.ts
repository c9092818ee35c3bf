import { setTimeout as sleep } from "node:timers/promises";
import { isLoopback } from "../../config/loopback.ts";
import { messageOf } from "../../errors.ts";

/** Time limit for all requests to one server, in milliseconds. */
export const DEADLINE = 5000;

/** Names of a server's settings for address and TLS, as used in advice. */
interface SettingNames {
  readonly address: string;
  readonly ca: string;
  /** The setting that enables TLS. */
  readonly tls: string;
  /** The setting that turns off the check of the host name, if there is one. */
  readonly verifyHost?: string;
}

/** Advice on failed connections, by the text of the error; the first match applies. */
const ADVICE: readonly (readonly [pattern: RegExp, advice: (names: SettingNames) => string])[] = [
  [
    /altnames/,
    ({ address, ca, verifyHost }) =>
      `${address} must match a name in the server's certificate.` +
      (verifyHost === undefined
        ? ""
        : ` If it has none, like the certificate that MySQL generates, set ${ca} and ${verifyHost}: false.`),
  ],
  [
    /certificate (?:has expired|is not yet valid)/,
    () => "Renew the server's certificate, or correct the clock.",
  ],
  [/certificate|issuer/, ({ ca }) => `${ca} must contain the CA that signed the server's certificate.`],
  [
    /wrong version number|packet length too long|secure TLS connection|not support secure|EPROTO/,
    ({ address }) => `The server may not use TLS on this port: check ${address}.`,
  ],
  [
    /closed abruptly|closed before|socket hang up|ECONNRESET|insecure transport/,
    ({ tls }) => `If the server requires TLS, set ${tls}; otherwise read the server's log.`,
  ],
  [/ENOTFOUND|EAI_AGAIN/, ({ address }) => `DNS cannot resolve this name: check ${address}.`],
  [
    /no answer within|no connection within|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/,
    ({ address }) => `Check ${address}, that the server is healthy, and that no firewall blocks the port.`,
  ],
];

/** Advice on a failed connection, by the text of its error. */
export function adviceOn(text: string, names: SettingNames): string {
  const advice = ADVICE.find(([pattern]) => pattern.test(text))?.[1];
  return advice?.(names) ?? `Check ${names.address}, and that the server runs.`;
}

/** The text of the root error, without `address` and details that do not help. */
export function textOf(error: unknown, address?: string): string {
  const text = messageOf(rootOf(error)).replace(/^(?:database|directory): /, "");
  return (address === undefined ? text : text.replace(` ${address}`, ""))
    .replace(/^[0-9A-F]+:error:[^:]*:[^:]*:[^:]*:([^:]+):.*$/s, "$1") // only the reason of an OpenSSL error
    .replace(/; if the root CA is installed locally.*$/s, ""); // Node's advice does not apply to services
}

/** The cause of an error, or the error itself. */
export function rootOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}

/** Awaits `work`; rejects after `limit` milliseconds, without cancelling the work. */
export async function withDeadline<T>(work: Promise<T>, limit = DEADLINE): Promise<T> {
  const stop = new AbortController();
  const late = sleep(limit, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`no answer within ${limit / 1000} s`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    stop.abort();
  }
}

/** Whether a connection would send passwords over a network in clear text. */
export function isExposed(host: string, tls: boolean): boolean {
  return !tls && !isLoopback(host);
}
