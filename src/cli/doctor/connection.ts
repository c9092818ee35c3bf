import { setTimeout as sleep } from "node:timers/promises";
import { isLoopback } from "../../config/loopback.ts";
import { messageOf } from "../../errors.ts";

/** So long a server may take for all that it is asked, in milliseconds. */
export const DEADLINE = 5000;

/** Where in the configuration a server's address and its TLS stand, in words. */
interface Keys {
  readonly address: string;
  readonly ca: string;
  /** What turns TLS on. */
  readonly tls: string;
}

/** What to do about a connection that fails, by what the error says. */
const ADVICE: readonly (readonly [pattern: RegExp, advice: (keys: Keys) => string])[] = [
  [/altnames/, ({ address }) => `${address} must name the server as its certificate does.`],
  [/certificate (?:has expired|is not yet valid)/, () => "Renew the server's certificate, or set the clock."],
  [/certificate|issuer/, ({ ca }) => `${ca} must hold the CA that signed the server's certificate.`],
  [
    /wrong version number|packet length too long|secure TLS connection|not support secure|EPROTO/,
    ({ address }) => `The server may speak no TLS on this port: check ${address}.`,
  ],
  [
    /closed abruptly|closed before|socket hang up|ECONNRESET|insecure transport/,
    ({ tls }) => `Where the server demands TLS, set ${tls}; else look into the server's own log.`,
  ],
  [/ENOTFOUND|EAI_AGAIN/, ({ address }) => `DNS does not know this name: check ${address}.`],
  [
    /no answer within|no connection within|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/,
    ({ address }) => `Check ${address}, that the server is well, and that no firewall is in between.`,
  ],
];

/** What to do about a connection that fails with such a text. */
export function adviceOn(text: string, keys: Keys): string {
  const advice = ADVICE.find(([pattern]) => pattern.test(text))?.[1];
  return advice?.(keys) ?? `Check ${keys.address}, and that the server runs.`;
}

/** What the network, the server or the library said in the first place, for a line that names the address, if any. */
export function textOf(error: unknown, address?: string): string {
  const text = messageOf(rootOf(error)).replace(/^(?:database|directory): /, "");
  return (address === undefined ? text : text.replace(` ${address}`, ""))
    .replace(/^[0-9A-F]+:error:[^:]*:[^:]*:[^:]*:([^:]+):.*$/s, "$1") // OpenSSL's reason, without its source lines
    .replace(/; if the root CA is installed locally.*$/s, ""); // advice of Node's that fits no service
}

/** The error that another one was made from. */
export function rootOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}

/** What the work gives; rejects when it has given nothing after the deadline, and leaves it to its fate. */
export async function inTime<T>(work: Promise<T>, limit = DEADLINE): Promise<T> {
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

/** Whether passwords go over a network in clear text. */
export function isExposed(host: string, tls: boolean): boolean {
  return !tls && !isLoopback(host);
}
