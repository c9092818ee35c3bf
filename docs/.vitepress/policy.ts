import { createHash } from "node:crypto";

/** Adds a Content-Security-Policy that allows no other hosts, and only scripts of the build. */
export function withPolicy(page: string): string {
  const scripts = Array.from(
    page.matchAll(/<script(?![^>]* src=)[^>]*>([^]*?)<\/script>/g),
    ([, code = ""]) => `'sha256-${createHash("sha256").update(code).digest("base64")}'`,
  );
  const policy = [
    "default-src 'self'",
    ["script-src 'self'", ...new Set(scripts)].join(" "),
    // Syntax highlighting uses style attributes.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  // The policy applies only to what follows it.
  return page.replace(
    '<meta charset="utf-8">',
    (charset) => `${charset}\n    <meta http-equiv="Content-Security-Policy" content="${policy}">`,
  );
}
