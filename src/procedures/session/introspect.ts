import { z } from "zod";
import { findGranted } from "../../auth/granted.ts";
import { resumeSession } from "../../auth/session.ts";
import type { Context } from "../../rpc/context.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import type { ValidatedToken } from "../../tokens/validator.ts";
import { ip } from "../fields.ts";

const seconds = z.number();

const output = z.object({
  active: z.boolean().describe("whether the token is valid now; if false, all other fields are absent"),
  typ: z.enum(["at+jwt", "id+jwt"]).optional().describe("at+jwt: access token; id+jwt: ID token"),
  token_type: z.literal("Bearer").optional().describe("access tokens only"),
  iss: z.string().optional().describe("issuer"),
  sub: z.string().optional().describe("username"),
  username: z.string().optional().describe("same value as sub"),
  groups: z
    .array(z.string())
    .optional()
    .describe(
      "current groups of the user, as far as the token is for them; from other issuers, groups in the token",
    ),
  limited: z
    .literal(true)
    .optional()
    .describe("access tokens: the token has only the requested groups, not all groups of the user"),
  vhost: z.string().optional().describe("vhost that the token is for"),
  aud: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe("audience"),
  jti: z.string().optional().describe("access tokens: id of the token"),
  sid: z.string().optional().describe("id of the session"),
  api_key_id: z.string().optional().describe("access tokens: id of the API key that was exchanged for it"),
  amr: z
    .array(z.string())
    .optional()
    .describe("how the login authenticated the user (RFC 8176); absent for API keys"),
  auth_time: seconds.optional().describe("time of the login, in seconds since 1970; absent for API keys"),
  iat: seconds.optional().describe("issue time, in seconds since 1970"),
  nbf: seconds.optional().describe("start of validity, in seconds since 1970"),
  exp: seconds.optional().describe("expiry time, in seconds since 1970"),
});

export const introspect = defineProcedure({
  name: "introspect",
  key: "session_workflow_introspect",
  namespace: "session",
  method: "introspect",
  description: "Returns whether a token is valid now, and its claims (RFC 7662).",
  access: "public",
  input: () =>
    z.object({ token: z.string("must be a string").describe("access token or ID token"), ip: ip() }),
  output,
  example: {
    request: { token: "<access token or ID token>" },
    reply: {
      active: true,
      typ: "at+jwt",
      token_type: "Bearer",
      iss: "authmq",
      sub: "alice",
      username: "alice",
      groups: ["billing"],
      vhost: "prod",
      jti: "3d5b7a6e-6c0e-4c5e-9a53-4f3f6d1c2b1a",
      amr: ["pwd"],
      auth_time: 1_789_999_900,
      iat: 1_790_000_000,
      nbf: 1_790_000_000,
      exp: 1_790_000_300,
    },
  },
  async handler(context, { token, ip: address }) {
    const verified = context.validator.verifyToken(token);
    if (verified === undefined) return { active: false };
    return verified.typ === "id+jwt"
      ? describeIdToken(context, token, address, verified)
      : describeAccessToken(context, verified);
  },
});

type Introspection = z.output<typeof output>;

async function describeIdToken(
  services: Context,
  token: string,
  address: string,
  { typ, claims }: ValidatedToken,
): Promise<Introspection> {
  const resumed = await resumeSession(services, token, address);
  if (resumed.state !== "alive" || !resumed.session.activated) return { active: false };
  const { token_id, username, groups, vhost } = resumed.session;
  const { iss, sub, iat, nbf, exp } = claims;
  const about = { groups: [...groups], vhost, sid: token_id.toString(), ...authenticationOf(claims) };
  return { active: true, typ, iss, sub, username, ...about, iat, nbf, exp };
}

/** Of this installation, a token is valid as long as its session or API key, and has the account's current groups. */
async function describeAccessToken(
  { lookups }: Context,
  { typ, claims, grant }: ValidatedToken,
): Promise<Introspection> {
  const { iss, sub, iat, limited, vhost, aud, jti, sid, api_key_id, nbf, exp } = claims;
  let { groups = [] } = claims;
  if (grant !== undefined) {
    const token = { username: sub, groups, isLimited: limited === true, grant };
    const granted = await findGranted(lookups, token);
    if (granted.state !== "alive") return { active: false };
    groups = [...granted.groups];
  }
  return {
    active: true,
    typ,
    token_type: "Bearer",
    iss,
    sub,
    username: sub,
    groups,
    iat,
    nbf,
    exp,
    ...(limited === true ? { limited } : {}),
    ...(vhost === undefined ? {} : { vhost }),
    ...(aud === undefined ? {} : { aud }),
    ...(jti === undefined ? {} : { jti }),
    ...(sid === undefined ? {} : { sid }),
    ...(api_key_id === undefined ? {} : { api_key_id }),
    ...authenticationOf(claims),
  };
}

function authenticationOf({
  amr,
  auth_time,
}: ValidatedToken["claims"]): Pick<Introspection, "amr" | "auth_time"> {
  return { ...(amr === undefined ? {} : { amr }), ...(auth_time === undefined ? {} : { auth_time }) };
}
