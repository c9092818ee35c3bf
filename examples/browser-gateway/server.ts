/**
 * A backend for a browser: it logs people in and keeps their tokens in cookies that no script can read.
 * npm install ./authmq-client-*.tgz fastify @fastify/cookie; node server.ts; open http://localhost:3000
 */
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { AuthError, connect, createVerifier } from "@authmq/client";
import cookie from "@fastify/cookie";
import Fastify from "fastify";
import { ACCESS_TOKEN, clearLogin, clearTokens, ID_TOKEN, loginIp, setTokens } from "./cookies.ts";
import { replyWithError } from "./errors.ts";
import { addFactors } from "./factors.ts";
import { addLogin, endSession } from "./login.ts";
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

addLogin(app, auth);
addFactors(app, auth);

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
  // Also if authmq is away: the browser must forget the tokens.
  clearTokens(reply);
  clearLogin(request, reply);
  await endSession(auth, request);
  return reply.code(204).send();
});

app.get("/api/me", async (request) => {
  const { user, groups } = await verifier.verify(request.cookies[ACCESS_TOKEN]);
  return { user, groups };
});

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
};
const folder = join(import.meta.dirname, "page");
for (const file of readdirSync(folder)) {
  const content = readFileSync(join(folder, file));
  const type = `${TYPES[extname(file)] ?? "application/octet-stream"}; charset=utf-8`;
  app.get(file === "index.html" ? "/" : `/${file}`, (_request, reply) => reply.type(type).send(content));
}

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void app.close());
await app.listen({ host: "127.0.0.1", port });
console.log(`listening on ${origin}`);
