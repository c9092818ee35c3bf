import { z } from "zod";
import { brokerScopes, type BrokerTokenConfig } from "../../config/broker-scopes.ts";
import type { AppConfig } from "../../config/schema.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import type { Subject, TokenIssuer } from "../../tokens/issuer.ts";
import { ip } from "../fields.ts";

/** The broker reads a password within one frame of 4096 bytes, in which a client says much of itself as well. */
const MAX_BROKER_TOKEN = 2048;

const broker = ({ brokerTokens }: AppConfig) =>
  z
    .boolean("must be true or false")
    .optional()
    .refine((wanted) => wanted !== true || brokerTokens !== undefined, {
      error: "cannot be true: this installation gives no broker tokens (broker_settings)",
    })
    .describe("whether to give a broker_token as well");

export const getAccessToken = defineProcedure({
  name: "token",
  description: "Exchanges an ID token for a short-lived access token with the user's groups and vhost.",
  access: "id_token",
  errors: ["ACCOUNT_NOT_ACTIVATED", "NO_BROKER_ACCESS", "BROKER_TOKEN_TOO_LARGE"],
  input: (app) => z.object({ ip: ip(), broker: broker(app) }),
  output: z.object({
    access_token: z.string(),
    broker_token: z.string().optional().describe("a password for the broker, where one was asked for"),
  }),
  example: { request: { ip: "192.0.2.17" }, reply: { access_token: "<access token>" } },
  async handler({ app, issuer, lastUse, revalidate, session: presented }, { broker: wantsBroker }) {
    if (!presented.activated) throw new AppError("ACCOUNT_NOT_ACTIVATED");
    const session = await revalidate(presented);
    if (session === undefined)
      throw new AppError("INVALID_TOKEN", "the session ended while the directory was asked");
    if (!(await lastUse.note(session))) throw new AppError("INVALID_TOKEN", "revoked meanwhile");
    const lifetime = app.access_token_valid_time * 60;
    const access_token = issuer.signAccessToken(session, { vhost: session.vhost, lifetime });
    if (wantsBroker !== true || app.brokerTokens === undefined) return { access_token };
    return { access_token, broker_token: signBrokerToken(issuer, app.brokerTokens, session) };
  },
});

/** Throws NO_BROKER_ACCESS or BROKER_TOKEN_TOO_LARGE. */
function signBrokerToken(
  issuer: TokenIssuer,
  config: BrokerTokenConfig,
  { username, groups, vhost }: Subject & { readonly vhost: string },
): string {
  const scopes = brokerScopes(config, groups, vhost);
  if (scopes.length === 0) throw new AppError("NO_BROKER_ACCESS");
  const { resourceServerId: audience, lifetime } = config;
  const token = issuer.signBrokerToken(username, { audience, scopes, lifetime });
  if (token.length > MAX_BROKER_TOKEN)
    throw new AppError("BROKER_TOKEN_TOO_LARGE", `${scopes.length} scopes make ${token.length} characters`);
  return token;
}
