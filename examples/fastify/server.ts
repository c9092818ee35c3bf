/** A Fastify service whose routes require an access token: npm install ./authmq-client-*.tgz fastify; node server.ts */
import { readFileSync } from "node:fs";
import {
  createRevocationList,
  createVerifier,
  type Demands,
  TokenError,
  type VerifiedToken,
} from "@authmq/client";
import Fastify, { type FastifyReply, type FastifyRequest } from "fastify";

declare module "fastify" {
  interface FastifyRequest {
    token: VerifiedToken | undefined;
  }
}

// With the broker's address, a revoked token is rejected immediately; without it, when it expires.
const { AMQP_URL: url } = process.env;
const revocations =
  url === undefined ? undefined : await createRevocationList({ url, queue: "reports.revocations" });
const verifier = createVerifier({
  issuer: process.env["ISSUER"] ?? "authmq",
  keys: readFileSync(process.env["PUBLIC_KEY"] ?? "signing-key.pub.pem", "utf8"),
  revocations,
});

/** The error codes of a challenge (RFC 6750, RFC 9470) by the verifier's codes; others are invalid_token. */
const CHALLENGES: Readonly<Record<string, string>> = {
  FORBIDDEN: "insufficient_scope",
  INSUFFICIENT_USER_AUTHENTICATION: "insufficient_user_authentication",
};

/** A preHandler that rejects requests without a valid token that meets the requirements. */
function requireToken(requirements: Demands = {}) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
    try {
      request.token = await verifier.verify(token, requirements);
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      // RFC 6750 section 3: a request without a token gets no error code, only the challenge.
      const reason = CHALLENGES[error.code] ?? "invalid_token";
      const challenge = token === undefined ? "Bearer" : `Bearer error="${reason}"`;
      await reply
        .code(error.respCode)
        .header("www-authenticate", challenge)
        .send({ error: error.code, msg: error.message });
    }
  };
}

// A token has up to 32 KiB. Node accepts headers of 16 KiB by default, and a proxy in front of it often less.
const app = Fastify({ logger: { level: "warn" }, http: { maxHeaderSize: 65_536 } });
app.decorateRequest("token");

app.get("/me", { preHandler: requireToken() }, ({ token }) => ({ user: token?.user, groups: token?.groups }));

const forReporters = requireToken({ groups: { anyOf: ["reporters", "admin"] } });
app.get("/reports", { preHandler: forReporters }, ({ token }) => ({ reports: [], for: token?.user }));

const address = await app.listen({ host: "127.0.0.1", port: Number(process.env["PORT"] ?? 3000) });
console.log(`listening on ${address}`);
