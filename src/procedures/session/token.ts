import { z } from "zod";
import { type BrokerTokenConfig, brokerScopes } from "../../config/broker-scopes.ts";
import type { AppConfig } from "../../config/schema.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import type { TokenIssuer } from "../../tokens/issuer.ts";
import { ip, textField } from "../fields.ts";
import { endAfter, expiry, expiryOf } from "./expiry.ts";
import { type Holder, holderOf } from "./holder.ts";
import { prepareRenewal } from "./renewal.ts";

/** In characters. RabbitMQ reads the password from a frame of 4096 bytes that also contains the client's properties. */
const MAX_BROKER_TOKEN = 2048;

const broker = ({ brokerTokens }: AppConfig) =>
  z
    .boolean("must be true or false")
    .optional()
    .refine((wanted) => wanted !== true || brokerTokens !== undefined, {
      error: "cannot be true: this installation issues no broker tokens (broker_settings)",
    })
    .describe("whether to issue a broker_token too");

const renew = ({ session_renewal_time: limit }: AppConfig) =>
  z
    .boolean("must be true or false")
    .optional()
    .refine((wanted) => wanted !== true || limit > 0, {
      error: "cannot be true: this installation renews no sessions (app_config.session_renewal_time)",
    })
    .describe("whether to issue a new ID token of the same session too; not with api_key");

const groups = () =>
  z
    .array(textField("must be a group's name"), "must be a list of group names")
    .optional()
    .describe(
      "groups to put into the tokens, all of the user's by default; if given, the access token has `limited: true`",
    );

export const token = defineProcedure({
  name: "token",
  key: "session_workflow_get_access_token",
  namespace: "session",
  method: "getAccessToken",
  description:
    "Issues a short-lived access token with the account's groups and vhost, in exchange for an ID token or an API key.",
  access: "id_token_or_api_key",
  errors: ["ACCOUNT_NOT_ACTIVATED", "NO_BROKER_ACCESS", "BROKER_TOKEN_TOO_LARGE", "TOKEN_TOO_LARGE"],
  input: (app) => z.object({ ip: ip(), groups: groups(), broker: broker(app), renew: renew(app) }),
  output: z.object({
    access_token: z.string().describe("access token, for the other queues and other services"),
    ...expiry,
    broker_token: z
      .string()
      .optional()
      .describe("broker token, to use as password for RabbitMQ; only with broker: true"),
    id_token: z.string().optional().describe("new ID token of the session; only with renew: true"),
    id_token_expires_at: z.iso
      .datetime()
      .optional()
      .describe("expiry time of the new ID token, in UTC; only with renew: true"),
    id_token_expires_in: z
      .int()
      .min(0)
      .optional()
      .describe("seconds until the new ID token expires; only with renew: true"),
  }),
  example: {
    request: { ip: "192.0.2.17", groups: ["billing"] },
    reply: {
      access_token: "<access token>",
      expires_at: "2026-11-29T10:05:00.000Z",
      expires_in: 300,
    },
  },
  async handler(context, { broker: wantsBroker, groups: wanted, renew: wantsRenewal }) {
    const { app, issuer, lastUse } = context;
    const issuedAt = new Date();
    const given = await holderOf(context);
    const isLimited = wanted !== undefined;
    const groupsOfToken = isLimited ? pickGroups(given.groups, wanted) : given.groups;
    // After a renewal the access token may be valid longer.
    const renewal = wantsRenewal === true ? prepareRenewal(context, given, issuedAt) : undefined;
    const holder = renewal?.holder ?? given;
    const subject = { ...holder, groups: groupsOfToken };
    const expires = expiryOf(
      endAfter(issuedAt, app.access_token_valid_time * 60, holder.validUntil),
      issuedAt,
    );
    const lifetime = expires.expires_in;
    if (lifetime < 1) throw new AppError("INVALID_TOKEN", "the session or API key ends within a second");
    const { grant, vhost } = holder;
    const login = { amr: holder.session?.amr, authTime: holder.session?.created_at };
    const about = { grant, vhost, lifetime, issuedAt, isLimited, ...login };
    const access_token = issuer.signAccessToken(subject, about);
    const brokerToken =
      wantsBroker === true && app.brokerTokens !== undefined
        ? { broker_token: signBrokerToken(issuer, app.brokerTokens, subject, issuedAt) }
        : {};
    // Last: a refused request must not extend the session.
    await renewal?.save();
    if (!(await lastUse.note(grant, holder)))
      throw new AppError("INVALID_TOKEN", "the session or API key was revoked during the request");
    return { access_token, ...expires, ...brokerToken, ...renewal?.reply };
  },
});

/** The requested groups, in the order of the account's; throws INVALID_INPUT if the account is not in one of them. */
function pickGroups(all: readonly string[], wanted: readonly string[]): string[] {
  const known = new Set(all);
  const unknown = wanted.findIndex((name) => !known.has(name));
  if (unknown >= 0) {
    const msg = `must be groups of the account; item ${unknown + 1} is not`;
    throw new AppError("INVALID_INPUT", undefined, { fields: [{ path: "groups", msg }] });
  }
  const picked = new Set(wanted);
  return all.filter((name) => picked.has(name));
}

/** Signs a broker token; throws NO_BROKER_ACCESS or BROKER_TOKEN_TOO_LARGE. */
function signBrokerToken(
  issuer: TokenIssuer,
  config: BrokerTokenConfig,
  { username, groups: picked, vhost, validUntil }: Holder,
  issuedAt: Date,
): string {
  const scopes = brokerScopes(config, picked, vhost);
  if (scopes.length === 0) throw new AppError("NO_BROKER_ACCESS");
  const { resourceServerId: audience } = config;
  const { expires_in: lifetime } = expiryOf(endAfter(issuedAt, config.lifetime, validUntil), issuedAt);
  const text = issuer.signBrokerToken(username, { audience, scopes, lifetime, issuedAt });
  if (text.length > MAX_BROKER_TOKEN)
    throw new AppError("BROKER_TOKEN_TOO_LARGE", `${scopes.length} scopes make ${text.length} characters`);
  return text;
}
