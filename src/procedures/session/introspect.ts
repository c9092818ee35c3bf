import { z } from "zod";
import { resumeSession } from "../../auth/session.ts";
import type { Context } from "../../rpc/context.ts";
import { isOlderThan } from "../../rpc/account.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import type { VerifiedToken } from "../../tokens/validator.ts";
import { ip } from "../fields.ts";

const seconds = z.number().describe("seconds since 1970");

const output = z.object({
  active: z.boolean().describe("false comes alone: nothing is told of what is wrong with a token"),
  typ: z.enum(["at+jwt", "id+jwt"]).optional(),
  token_type: z.literal("Bearer").optional().describe("of an access token"),
  iss: z.string().optional(),
  sub: z.string().optional(),
  username: z.string().optional(),
  groups: z.array(z.string()).optional(),
  limited: z.literal(true).optional().describe("the user has more groups than those that the token lists"),
  vhost: z.string().optional(),
  aud: z.union([z.string(), z.array(z.string())]).optional(),
  jti: z.string().optional(),
  iat: seconds.optional(),
  nbf: seconds.optional(),
  exp: seconds.optional(),
});

export const introspect = defineProcedure({
  name: "introspect",
  description: "Tells whether a token is good at this moment, and what is in it (RFC 7662).",
  access: "public",
  input: () =>
    z.object({ token: z.string("must be a string").describe("an access token or an ID token"), ip: ip() }),
  output,
  example: {
    request: { token: "an access token or an ID token" },
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

type Described = z.output<typeof output>;

async function describeIdToken(
  services: Context,
  token: string,
  address: string,
  { typ, claims }: VerifiedToken,
): Promise<Described> {
  const resumed = await resumeSession(services, token, address);
  if (resumed.state !== "alive" || !resumed.session.activated) return { active: false };
  const { username, groups, vhost } = resumed.session;
  const { iss, sub, iat, nbf, exp } = claims;
  return { active: true, typ, iss, sub, username, groups: [...groups], vhost, iat, nbf, exp };
}

/** An access token is not revoked, but its user may be gone by now: whoever asks wants to know. */
async function describeAccessToken(
  { issuer, lookups }: Context,
  { typ, claims }: VerifiedToken,
): Promise<Described> {
  const { iss, sub, iat, groups = [], limited, vhost, aud, jti, nbf, exp } = claims;
  if (iss === issuer.name) {
    const user = await lookups.account(sub);
    if (user?.activated !== 1 || isOlderThan({ issuedAt: new Date(iat * 1000) }, user))
      return { active: false };
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
  };
}
