import type { FastifyReply } from "fastify";

/** The names of the cookies. Browsers accept `__Host-` only with Secure, with Path=/ and for this host alone. */
export const ID_TOKEN = "__Host-id_token";
export const ACCESS_TOKEN = "__Host-access_token";

const attributes = { path: "/", secure: true, httpOnly: true, sameSite: "strict" } as const;

/** Browsers drop a cookie whose name and value are longer. */
const MAX_BYTES = 4096;

/** Sets a cookie for each token, which lives as long as the token; throws a 409 if one of them is too long. */
export function setTokens(
  reply: FastifyReply,
  tokens: readonly (readonly [name: string, token: string, expiresIn: number])[],
): void {
  if (tokens.some(([name, token]) => name.length + token.length > MAX_BYTES))
    throw Object.assign(new Error("the account has too many groups for a cookie"), {
      statusCode: 409,
      code: "TOKEN_TOO_LARGE",
    });
  for (const [name, token, maxAge] of tokens) reply.setCookie(name, token, { ...attributes, maxAge });
}

/** Deletes both cookies. */
export function clearTokens(reply: FastifyReply): void {
  for (const name of [ID_TOKEN, ACCESS_TOKEN]) reply.clearCookie(name, attributes);
}

/**
 * The address of the login, from an ID token that authmq has yet to verify. authmq demands the same address later. The
 * person may have changed networks since then, so it is not the address of this request.
 */
export function loginIp(idToken: string): string {
  try {
    const payload = Buffer.from(idToken.split(".")[1] ?? "", "base64url").toString();
    // Any JSON value that is not null may be read like an object.
    const { ip } = JSON.parse(payload) as { ip?: unknown };
    return typeof ip === "string" ? ip : "*";
  } catch {
    return "*"; // not a token: authmq answers 401
  }
}
