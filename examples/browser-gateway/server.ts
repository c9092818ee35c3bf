/**
 * A backend for a browser: it logs people in and keeps their tokens in cookies that no script can read.
 * npm install @authmq/client fastify @fastify/cookie; node server.ts; open http://localhost:3000
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AuthError, connect, createVerifier } from "@authmq/client";
import cookie from "@fastify/cookie";
import Fastify from "fastify";
import { ACCESS_TOKEN, clearTokens, ID_TOKEN, loginIp, setTokens } from "./cookies.ts";
import { replyWithError } from "./errors.ts";
import { protect } from "./protection.ts";

const port = Number(process.env["PORT"] ?? 3000);
/** What people see in the address bar. Requests from pages elsewhere are rejected. */
const origin = process.env["ORIGIN"] ?? `http://localhost:${port}`;

const auth = await connect({
  url: process.env["AMQP_URL"] ?? "amqp://guest:guest@127.0.0.1:5672/%2F",
  timeout: Number(process.env["TIMEOUT"] ?? 10_000),
});
const verifier = createVerifier({
  issuer: process.env["ISSUER"] ?? "authmq",
  keys: readFileSync(process.env["PUBLIC_KEY"] ?? "signing-key.pub.pem", "utf8"),
});

const app = Fastify({
  logger: { level: "warn" },
  bodyLimit: 16_384,
  // The addresses of your proxies. Without it request.ip is the proxy; with `true` anyone can invent an address.
  trustProxy: process.env["TRUST_PROXY"] ?? false,
});
app.setErrorHandler(replyWithError);
await app.register(cookie);
protect(app, origin);
app.addHook("onClose", () => auth.close());

app.post("/login", async (request, reply) => {
  // The body may be anything: authmq answers 400 to missing fields and other types.
  const { username, password } = (request.body ?? {}) as { username: string; password: string };
  const { ip } = request;
  const login = await auth.session.login({ username, password, ip });
  const access = await auth.session.getAccessToken({ id_token: login.id_token, ip });
  setTokens(reply, [
    [ID_TOKEN, login.id_token, login.expires_in],
    [ACCESS_TOKEN, access.access_token, access.expires_in],
  ]);
  return reply.code(204).send();
});

app.post("/refresh", async (request, reply) => {
  const id_token = request.cookies[ID_TOKEN];
  if (id_token === undefined) return reply.code(401).send({ error: "INVALID_TOKEN", msg: "not logged in" });
  try {
    const access = await auth.session.getAccessToken({ id_token, ip: loginIp(id_token) });
    setTokens(reply, [[ACCESS_TOKEN, access.access_token, access.expires_in]]);
  } catch (error) {
    if (error instanceof AuthError && error.respCode === 401) clearTokens(reply); // the session has ended
    throw error;
  }
  return reply.code(204).send();
});

app.post("/logout", async (request, reply) => {
  const id_token = request.cookies[ID_TOKEN];
  clearTokens(reply); // also if authmq is away: the browser must forget the tokens
  if (id_token !== undefined)
    await auth.session.logout({ id_token, ip: loginIp(id_token) }).catch((error: unknown) => {
      // A token that is not valid has no session to end.
      if (!(error instanceof AuthError && error.respCode < 500)) throw error;
    });
  return reply.code(204).send();
});

app.get("/api/me", async (request) => {
  const { user, groups } = await verifier.verify(request.cookies[ACCESS_TOKEN]);
  return { user, groups };
});

for (const [path, file, type] of [
  ["/", "index.html", "text/html"],
  ["/page.js", "page.js", "text/javascript"],
  ["/page.css", "page.css", "text/css"],
] as const) {
  const content = readFileSync(join(import.meta.dirname, "page", file));
  app.get(path, (_request, reply) => reply.type(`${type}; charset=utf-8`).send(content));
}

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void app.close());
await app.listen({ host: "127.0.0.1", port });
console.log(`listening on ${origin}`);
