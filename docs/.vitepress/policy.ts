import { createHash } from "node:crypto";

/** The page with a policy that keeps the browser from every other host, and from scripts that were not built. */
export function withPolicy(page: string): string {
  const scripts = Array.from(
    page.matchAll(/<script(?![^>]* src=)[^>]*>([^]*?)<\/script>/g),
    ([, code = ""]) => `'sha256-${createHash("sha256").update(code).digest("base64")}'`,
  );
  const policy = [
    "default-src 'self'",
    ["script-src 'self'", ...new Set(scripts)].join(" "),
    // The colours of code, for light and dark, are attributes.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  // Before anything that it is about.
  return page.replace(
    '<meta charset="utf-8">',
    (charset) => `${charset}\n    <meta http-equiv="Content-Security-Policy" content="${policy}">`,
  );
}
