import type { FastifyInstance } from "fastify";

const HEADERS = {
  "cache-control": "no-store",
  // No inline scripts or styles, nothing from other hosts, no frames. Scripts send the forms, never the browser.
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
};

/** Adds security headers, and rejects writes that a page of another origin can cause (CSRF). */
export function protect(app: FastifyInstance, origin: string): void {
  app.addHook("onRequest", async (request, reply) => {
    reply.headers(HEADERS);
    if (request.method === "GET" || request.method === "HEAD") return;
    // Browsers send Origin with each write, and no script can change it or Sec-Fetch-Site.
    const {
      origin: from,
      "sec-fetch-site": site = "same-origin",
      "content-type": type = "",
    } = request.headers;
    if (from !== origin || site !== "same-origin")
      throw refusal(403, "OTHER_ORIGIN", `the request must come from ${origin}`);
    // HTML forms cannot send JSON, and scripts of other origins only after a preflight, which gets a 403.
    if (!/^application\/json *(?:;|$)/i.test(type))
      throw refusal(415, "NOT_JSON", "the content type must be application/json");
  });
}

function refusal(statusCode: number, code: string, message: string): Error {
  return Object.assign(new Error(message), { statusCode, code });
}
