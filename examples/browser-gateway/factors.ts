import type { AuthClient } from "@authmq/client";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { encode } from "uqr";
import { ACCESS_TOKEN, clearLogin, fitsCookies, ID_TOKEN, SETUP_TOKEN, setTokens } from "./cookies.ts";

type Confirmed = Awaited<ReturnType<AuthClient["user"]["confirmTotp"]>>;

/** The members of all requests; each route reads its own. */
interface Body {
  readonly id: string;
  readonly totp: string;
  readonly credential: Parameters<AuthClient["user"]["confirmPasskey"]>[0]["credential"];
  readonly name: string;
}

/** Adds the routes with which people see and change their second factors. */
export function addFactors(app: FastifyInstance, { user }: AuthClient): void {
  app.get("/factors", async (request) => user.getFactors(session(request)));

  app.post("/factors/totp", async (request) => {
    const totp = await user.beginTotp(enrolee(request));
    return { ...totp, qr_code: qrCodeOf(totp.uri) };
  });

  app.post("/factors/totp/confirm", async (request, reply) => {
    const { totp, name } = bodyOf(request);
    return finish(request, reply, await user.confirmTotp({ ...enrolee(request), totp, name }));
  });

  app.post("/factors/passkey", async (request) => user.beginPasskey(enrolee(request)));

  app.post("/factors/passkey/confirm", async (request, reply) => {
    const { credential, name } = bodyOf(request);
    return finish(request, reply, await user.confirmPasskey({ ...enrolee(request), credential, name }));
  });

  app.post("/factors/remove", async (request) =>
    user.removeFactor({ ...session(request), id: bodyOf(request).id }),
  );

  app.post("/factors/recovery-codes", async (request) => user.renewRecoveryCodes(session(request)));
}

/** A text as a QR code: its dark modules as a path of SVG, and the size of the image with its light margin. */
function qrCodeOf(text: string): { readonly path: string; readonly size: number } {
  const { data, size } = encode(text, { border: 4 });
  const dark = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])));
  return { path: dark.join(""), size };
}

/** The body may be anything: authmq answers 400 to missing fields and other types. */
function bodyOf({ body }: FastifyRequest): Body {
  return (body ?? {}) as Body;
}

/** The person who is logged in. */
function session({ cookies }: FastifyRequest): { readonly access_token: string } {
  const access_token = cookies[ACCESS_TOKEN];
  if (access_token === undefined)
    throw Object.assign(new Error("not logged in"), { statusCode: 401, code: "INVALID_TOKEN" });
  return { access_token };
}

/** The person who enrols a factor: one who is logged in, or one who must enrol the first factor to log in. */
function enrolee(
  request: FastifyRequest,
): { readonly access_token: string } | { readonly setup_token: string; readonly ip: string } {
  const { cookies, ip } = request;
  const setup_token = cookies[SETUP_TOKEN];
  return setup_token === undefined ? session(request) : { setup_token, ip };
}

/** Replies with the id of a new factor, and the recovery codes of the first one. After a setup it starts the session. */
function finish(
  request: FastifyRequest,
  reply: FastifyReply,
  { id, recovery_codes, id_token, expires_in }: Confirmed,
): { readonly id: string; readonly recovery_codes: readonly string[] | undefined } {
  if (id_token !== undefined && expires_in !== undefined) {
    const tokens = [[ID_TOKEN, id_token, expires_in]] as const;
    // Nothing may fail from here on: the recovery codes are shown only once. The page gets the access token by itself
    // from /refresh. If the ID token fits no cookie, the next login says so.
    if (fitsCookies(tokens)) setTokens(reply, tokens);
    clearLogin(request, reply);
  }
  return { id, recovery_codes };
}
