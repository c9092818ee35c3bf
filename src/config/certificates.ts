import { X509Certificate } from "node:crypto";
import type { Config } from "./load.ts";

/** A certificate and the end of its validity. */
export interface Certificate {
  readonly subject: string;
  readonly validTo: Date;
}

/** Certificates that end within so many days should be renewed. */
export const EXPIRY_WARNING_DAYS = 30;

/** The certificates of a PEM text; what cannot be read is left out. */
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

/** The name and the end of a certificate. */
function describeCertificate({ subject, validTo }: X509Certificate): Certificate {
  return { subject: subject.replaceAll("\n", ", "), validTo: new Date(validTo) };
}

/** The CA files that are configured, each with its key and the certificates in it. */
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

/** Says which certificate ends and when, by days: "the certificate CN=X expires on 2026-12-24, in 3 days". */
export function describeEnd({ subject, validTo }: Certificate, days: number): string {
  const date = validTo.toISOString().slice(0, 10);
  if (days < 0) return `the certificate ${subject} expired on ${date}`;
  return `the certificate ${subject} expires on ${date}, in ${days} day${days === 1 ? "" : "s"}`;
}

/** How many whole days it is still valid at that moment; negative once it has expired. */
export function daysLeft({ validTo }: Certificate, now: number): number {
  return Math.floor((validTo.getTime() - now) / 86_400_000);
}

const BLOCK = /-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs;
