/**
 * An Express service whose routes require an access token:
 * npm install ./authmq-client-*.tgz express; node server.ts
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createVerifier, type Demands, TokenError, type VerifiedToken } from "@authmq/client";
import express, { type NextFunction, type Request, type Response } from "express";

const verifier = createVerifier({
  issuer: process.env["ISSUER"] ?? "authmq",
  keys: readFileSync(process.env["PUBLIC_KEY"] ?? "signing-key.pub.pem", "utf8"),
});

interface Locals {
  token: VerifiedToken;
}

/** The error codes of a challenge (RFC 6750, RFC 9470) by the verifier's codes; others are invalid_token. */
const CHALLENGES: Readonly<Record<string, string>> = {
  FORBIDDEN: "insufficient_scope",
  INSUFFICIENT_USER_AUTHENTICATION: "insufficient_user_authentication",
};

/** A middleware that rejects requests without a valid token that meets the requirements. */
function requireToken(requirements: Demands = {}) {
  return async (request: Request, response: Response<unknown, Locals>, next: NextFunction): Promise<void> => {
    const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
    try {
      response.locals.token = await verifier.verify(token, requirements);
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      // RFC 6750 section 3: a request without a token gets no error code, only the challenge.
      const reason = CHALLENGES[error.code] ?? "invalid_token";
      response
        .status(error.respCode)
        .set("www-authenticate", token === undefined ? "Bearer" : `Bearer error="${reason}"`)
        .json({ error: error.code, msg: error.message });
      return;
    }
    next();
  };
}

const app = express();

app.get("/me", requireToken(), (_request, response) => {
  const { user, groups } = response.locals.token;
  response.json({ user, groups });
});

app.get("/reports", requireToken({ groups: { anyOf: ["reporters", "admin"] } }), (_request, response) => {
  response.json({ reports: [], for: response.locals.token.user });
});

// A token has up to 32 KiB. Node accepts headers of 16 KiB by default, and a proxy in front of it often less.
const server = createServer({ maxHeaderSize: 65_536 }, app);
server.listen(Number(process.env["PORT"] ?? 3000), "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object" && address !== null)
    console.log(`listening on http://${address.address}:${address.port}`);
});
