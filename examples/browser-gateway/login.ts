import { type AuthClient, AuthError } from "@authmq/client";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import {
  ACCESS_TOKEN,
  CHALLENGE,
  clearLogin,
  clearTokens,
  ID_TOKEN,
  loginIp,
  SETUP_TOKEN,
  setTokens,
} from "./cookies.ts";

/** What authmq answers to a login, or to its second factor. */
interface Login {
  readonly id_token: string;
  readonly expires_in: number;
}

/** The answer to a challenge: one of these. */
interface Answer {
  readonly totp?: string;
  readonly recovery_code?: string;
  readonly passkey?: NonNullable<Parameters<AuthClient["session"]["loginContinue"]>[0]["passkey"]>;
}

/** How long authmq accepts a challenge and a setup token, in seconds. */
const CHALLENGE_TIME = 300;
const SETUP_TIME = 900;

/** Adds the routes that start a session: with a password, with a second factor, and with a passkey alone. */
export function addLogin(app: FastifyInstance, auth: AuthClient): void {
  app.post("/login", async (request, reply) => {
    // The body may be anything: authmq answers 400 to missing fields and other types.
    const { username, password } = (request.body ?? {}) as { username: string; password: string };
    const { ip } = request;
    try {
      await startSession(auth, { request, reply }, await auth.session.login({ username, password, ip }));
    } catch (error) {
      return askForFactor(auth, { request, reply }, error);
    }
    return reply.code(204).send();
  });

  app.post("/login/passkey", async (request, reply) => {
    const { challenge, passkey_options } = await auth.session.beginPasskeyLogin({ ip: request.ip });
    setTokens(reply, [[CHALLENGE, challenge, CHALLENGE_TIME]]);
    return { passkey_options };
  });

  app.post("/login/continue", async (request, reply) => {
    const challenge = request.cookies[CHALLENGE];
    if (challenge === undefined)
      return reply.code(401).send({ error: "LOGIN_EXPIRED", msg: "the login took too long; log in again" });
    const { totp, recovery_code, passkey } = (request.body ?? {}) as Answer; // as above
    // The address of the first step, or authmq refuses the answer: a stolen challenge is useless elsewhere.
    const { ip } = request;
    const login = await auth.session.loginContinue({ challenge, totp, recovery_code, passkey, ip });
    await startSession(auth, { request, reply }, login);
    return reply.code(204).send();
  });
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** Gives the browser the tokens of a new session, which replaces an earlier one of this browser. */
async function startSession(auth: AuthClient, { request, reply }: Exchange, login: Login): Promise<void> {
  const { id_token } = login;
  // The second factor is used up: without an access token the login has succeeded, too, and the page calls /refresh.
  const access = await auth.session
    .getAccessToken({ id_token, ip: loginIp(id_token) })
    .catch(() => undefined);
  setTokens(reply, [
    [ID_TOKEN, id_token, login.expires_in],
    [ACCESS_TOKEN, access?.access_token ?? "", access?.expires_in ?? 0], // 0 deletes that of an earlier session
  ]);
  clearLogin(request, reply);
  await endSession(auth, request).catch(() => undefined); // it ends by itself, later
}

/**
 * Replies to a login whose password was right, but which needs a second factor or must enrol one; throws other errors.
 *
 * The challenge and the setup token go into cookies, as the tokens of a session do. So the gateway still stores nothing,
 * no script can read them, and only the browser in which the password was typed can go on: with a challenge in the
 * page, a stolen one could be answered from another browser behind the same address. The CSRF protection covers them,
 * too. (The page sees the challenge inside the passkey's options: the authenticator signs it. It is useless without a
 * factor of the account.)
 */
async function askForFactor(
  auth: AuthClient,
  { request, reply }: Exchange,
  error: unknown,
): Promise<FastifyReply> {
  if (!(error instanceof AuthError)) throw error;
  const { code, message, challenge, methods, passkeyOptions, setupToken } = error;
  if (code === "SECOND_FACTOR_REQUIRED" && challenge !== undefined) {
    setTokens(reply, [[CHALLENGE, challenge, CHALLENGE_TIME]]);
    return reply.code(401).send({ error: code, msg: message, methods, passkey_options: passkeyOptions });
  }
  if (code === "SECOND_FACTOR_SETUP_REQUIRED" && setupToken !== undefined) {
    // One account at a time: a new factor must never go to the account of an earlier login.
    clearTokens(reply);
    setTokens(reply, [[SETUP_TOKEN, setupToken, SETUP_TIME]]);
    await endSession(auth, request).catch(() => undefined);
    return reply.code(401).send({ error: code, msg: message });
  }
  throw error;
}

/** Ends the session of this browser, if there is one. */
export async function endSession(auth: AuthClient, { cookies }: FastifyRequest): Promise<void> {
  const id_token = cookies[ID_TOKEN];
  if (id_token === undefined) return;
  await auth.session.logout({ id_token, ip: loginIp(id_token) }).catch((error: unknown) => {
    // A token that is not valid has no session to end.
    if (!(error instanceof AuthError && error.respCode < 500)) throw error;
  });
}
