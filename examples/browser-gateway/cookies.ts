import type { FastifyReply, FastifyRequest } from "fastify";

/** The names of the cookies. Browsers accept `__Host-` only with Secure, with Path=/ and for this host alone. */
export const ID_TOKEN = "__Host-id_token";
export const ACCESS_TOKEN = "__Host-access_token";
/** The challenge of a login that waits for its second factor. */
export const CHALLENGE = "__Host-challenge";
/** The token of a login that must enrol a second factor. */
export const SETUP_TOKEN = "__Host-setup_token";

const attributes = { path: "/", secure: true, httpOnly: true, sameSite: "strict" } as const;

/** Browsers drop a cookie whose name and value are longer. */
const MAX_BYTES = 4096;

type Token = readonly [name: string, token: string, expiresIn: number];

/** Sets a cookie for each token, which lives as long as the token; throws a 409 if one of them is too long. */
export function setTokens(reply: FastifyReply, tokens: readonly Token[]): void {
  if (!fitsCookies(tokens))
    throw Object.assign(new Error("the account has too many groups for a cookie"), {
      statusCode: 409,
      code: "TOKEN_TOO_LARGE",
    });
  for (const [name, token, maxAge] of tokens) reply.setCookie(name, token, { ...attributes, maxAge });
}

/** Whether browsers accept a cookie with each token. */
export function fitsCookies(tokens: readonly Token[]): boolean {
  return tokens.every(([name, token]) => name.length + token.length <= MAX_BYTES);
}

/** Deletes the cookies of a session. */
export function clearTokens(reply: FastifyReply): void {
  for (const name of [ID_TOKEN, ACCESS_TOKEN]) reply.clearCookie(name, attributes);
}

/** Deletes the cookies of a login that waits for its second factor, if the browser has them. */
export function clearLogin({ cookies }: FastifyRequest, reply: FastifyReply): void {
  for (const name of [CHALLENGE, SETUP_TOKEN])
    if (cookies[name] !== undefined) reply.clearCookie(name, attributes);
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
