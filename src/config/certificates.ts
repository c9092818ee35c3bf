import { X509Certificate } from "node:crypto";
import type { Config } from "./load.ts";

/** The subject of a certificate and its expiry time. */
export interface Certificate {
  readonly subject: string;
  readonly validTo: Date;
}

/** Warn about certificates that expire within this number of days. */
export const EXPIRY_WARNING_DAYS = 30;

/** The certificates in a PEM text; unreadable ones are skipped. */
export function certificatesIn(pem: Buffer | string): Certificate[] {
  const blocks = pem.toString("latin1").match(BLOCK) ?? [];
  return blocks.flatMap((block) => {
    try {
      return describeCertificate(new X509Certificate(block));
    } catch {
      return [];
    }
  });
}

function describeCertificate({ subject, validTo }: X509Certificate): Certificate {
  return { subject: subject.replaceAll("\n", ", "), validTo: new Date(validTo) };
}

/** The configured CA files: the setting's path and the certificates in the file. */
export function caFiles({
  amqp,
  db,
  directory,
}: Pick<Config, "amqp" | "db" | "directory">): (readonly [
  key: string,
  certificates: readonly Certificate[],
])[] {
  const files = [
    ["amqp_settings.ca_file", amqp.ca],
    ["db_settings.ca_file", db.dialect === "mysql" ? db.ca : undefined],
    ["ldap_settings.ca_file", directory?.ca],
  ] as const;
  return files.flatMap(([key, pem]) => (pem === undefined ? [] : [[key, certificatesIn(pem)] as const]));
}

/** For example "the certificate CN=X expires on 2026-12-24, in 3 days". */
export function describeEnd({ subject, validTo }: Certificate, days: number): string {
  const date = validTo.toISOString().slice(0, 10);
  if (days < 0) return `the certificate ${subject} expired on ${date}`;
  return `the certificate ${subject} expires on ${date}, in ${days} day${days === 1 ? "" : "s"}`;
}

/** Whole days until a certificate expires; negative if it has expired. */
export function daysLeft({ validTo }: Certificate, now: number): number {
  return Math.floor((validTo.getTime() - now) / 86_400_000);
}

const BLOCK = /-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs;
