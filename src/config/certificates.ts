import { X509Certificate } from "node:crypto";

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

/** How many whole days it is still valid at that moment; negative once it has expired. */
export function daysLeft({ validTo }: Certificate, now: number): number {
  return Math.floor((validTo.getTime() - now) / 86_400_000);
}

const BLOCK = /-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs;
