/**
 * A login page's backend with Express, and sessions in memory:
 * npm install ./authmq-client-*.tgz express; node login.ts
 */
import { randomBytes } from "node:crypto";
import { AuthError, connect, createSession, NoReplyError, type Session } from "@authmq/client";
import express, { type NextFunction, type Request, type Response } from "express";

const auth = await connect({ url: process.env["AMQP_URL"] ?? "amqp://guest:guest@127.0.0.1:5672/%2F" });
const port = Number(process.env["PORT"] ?? 3000);
/** What people see in the address bar. */
const origin = process.env["ORIGIN"] ?? `http://localhost:${port}`;

/** In memory, for one process. Several processes store username, ID token and ip in a shared store. */
const logins = new Map<string, { readonly username: string; readonly session: Session }>();

const COOKIE = "__Host-session";
const cookieOptions = { httpOnly: true, secure: true, sameSite: "strict", path: "/" } as const;
const sessionId = (request: Request) =>
  /(?:^|; )__Host-session=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "";

const app = express();
app.set("trust proxy", process.env["TRUST_PROXY"] ?? false); // the addresses of your proxies
app.use(refuseOtherOrigins, express.json());

app.post("/login", async (request, response) => {
  // The body may be anything: authmq answers 400 to missing fields and other types.
  const { username, password } = (request.body ?? {}) as { username: string; password: string };
  const ip = request.ip ?? "*";
  const { id_token, expires_in } = await auth.session.login({ username, password, ip });
  const id = randomBytes(32).toString("base64url"); // a new one for each login
  logins.set(id, { username, session: createSession(auth, { idToken: id_token, ip }) });
  setTimeout(() => logins.delete(id), Math.min(expires_in * 1000, 2 ** 31 - 1)).unref();
  response.cookie(COOKIE, id, { ...cookieOptions, maxAge: expires_in * 1000 }).sendStatus(204);
});

app.get("/me", async (request, response) => {
  const login = logins.get(sessionId(request));
  if (login === undefined) {
    response.status(401).json({ error: "LOGIN_REQUIRED" });
    return;
  }
  const access_token = await login.session.accessToken();
  response.json(await auth.user.get({ username: login.username, access_token }));
});

app.post("/logout", async (request, response) => {
  const id = sessionId(request);
  const login = logins.get(id);
  logins.delete(id);
  response.clearCookie(COOKIE, cookieOptions);
  await login?.session.close(); // calls logout
  response.sendStatus(204);
});

app.use((error: unknown, request: Request, response: Response, next: NextFunction) => {
  if (response.headersSent) next(error);
  else if (error instanceof AuthError) {
    const { code, respCode, message, fields, retryAfter, reference } = error;
    if (code === "INVALID_TOKEN") {
      logins.delete(sessionId(request)); // the session was revoked
      response.clearCookie(COOKIE, cookieOptions);
    }
    if (retryAfter !== undefined) response.set("retry-after", String(retryAfter));
    if (reference !== undefined) console.error(`${code}, reference ${reference}`);
    response.status(respCode).json({ error: code, msg: message, fields });
  } else if (error instanceof NoReplyError) {
    console.error(error.message);
    response.status(error.respCode).json({ error: error.code }); // 504, or 503 without a broker
  } else {
    // Errors of express.json() have a status. Their text is not logged: it may contain a part of the password.
    const { status = 500 } = Object(error) as { status?: number };
    if (status >= 500) console.error(error);
    response.status(status).json({ error: status < 500 ? "INVALID_REQUEST" : "INTERNAL" });
  }
});

/** Prevents CSRF. Browsers send Origin with each write, and no script can change it or Sec-Fetch-Site. */
function refuseOtherOrigins(request: Request, response: Response, next: NextFunction): void {
  const site = request.get("sec-fetch-site") ?? "same-origin";
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (isRead || (request.get("origin") === origin && site === "same-origin")) next();
  else response.status(403).json({ error: "OTHER_ORIGIN" });
}

app.listen(port, "127.0.0.1", () => console.log(`listening on ${origin}`));
