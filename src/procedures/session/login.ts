import { z } from "zod";
import type { Credentials } from "../../auth/login.ts";
import { findIssuedToken, type IssuedToken, replaceIdToken } from "../../db/queries/id-tokens.ts";
import { listGroupsOf } from "../../db/queries/groups.ts";
import { AppError } from "../../errors.ts";
import type { Context } from "../../rpc/context.ts";
import { isSameBody } from "../../rpc/identity.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { ip, kerberosTicket, password, together, username, vhost } from "../fields.ts";

interface Given {
  readonly username?: unknown;
  readonly password?: unknown;
  readonly kerberos_ticket?: unknown;
}

const hasNameOrTicket = (given: Given): boolean =>
  given.username !== undefined || given.kerberos_ticket !== undefined;
const hasPasswordOrTicket = (given: Given): boolean =>
  given.password !== undefined || given.kerberos_ticket !== undefined;
const hasNotBoth = (given: Given): boolean =>
  given.password === undefined || given.kerberos_ticket === undefined;

export const login = defineProcedure({
  name: "login",
  description:
    "Checks a password or a Kerberos ticket and gives the user's one ID token; an earlier one is dead from then on.",
  access: "public",
  effect: "own",
  hashes: true,
  asksDirectory: true,
  input: (app) =>
    z
      .object({
        username: username(app).optional().describe("may be left out with a kerberos_ticket"),
        password: password().optional(),
        kerberos_ticket: kerberosTicket().optional().describe("instead of password"),
        vhost: vhost(app),
        ip: ip(),
      })
      .refine(hasNameOrTicket, { path: ["username"], error: "must be a string", ...together })
      .refine(hasPasswordOrTicket, { path: ["password"], error: "must be a string", ...together })
      .refine(hasNotBoth, {
        path: ["password"],
        error: "must be left out where kerberos_ticket is given",
        ...together,
      })
      // In the published schema: refinements have no form there.
      .meta({ anyOf: [{ required: ["username", "password"] }, { required: ["kerberos_ticket"] }] }),
  output: z.object({
    id_token: z.string(),
    kerberos_ticket: z.string().optional().describe("proves this service to the client, in base64"),
  }),
  async handler(context, input) {
    const { app, db, commit, issuer, login: checkLogin, request, stillWanted } = context;
    const earlier = request?.mayRepeat === true ? await findIssuedToken(db, request.requestKey) : undefined;
    if (request !== undefined && earlier !== undefined && isSameBody(request, earlier.body_hash)) {
      if (!earlier.activated) throw new AppError("ACCOUNT_NOT_ACTIVATED");
      return { id_token: await sign(context, earlier) };
    }
    const result = await checkLogin(credentialsOf(input), stillWanted);
    // Not before the password was checked: whoever knows a key would learn without that cost whether a guess is right.
    if (earlier !== undefined) throw new AppError("IDEMPOTENCY_CONFLICT");
    if (!result.ok) {
      throw new AppError(result.reason === "not-activated" ? "ACCOUNT_NOT_ACTIVATED" : "INVALID_CREDENTIALS");
    }
    const { user, rehashed, ticket } = result;
    const proven = { username: user.username, auth_type: user.auth_type, hash: user.password_hash, rehashed };
    const now = new Date();
    const token = {
      ip: input.ip,
      vhost: input.vhost,
      issued_at: now,
      valid_until: new Date(now.getTime() + app.id_token_valid_time * 60_000),
      sign_method: issuer.method,
      validated_at: user.auth_type === "LDAP" ? now : null,
    };
    const issued = await commit((trx) => replaceIdToken(trx, proven, token, request));
    // The password was changed or the account turned off while the hash was computed: what was proven holds no more.
    if (issued === "changed")
      throw new AppError("INVALID_CREDENTIALS", "the account changed during the login");
    return {
      id_token: await sign(context, issued, result.groups),
      ...(ticket === undefined ? {} : { kerberos_ticket: ticket }),
    };
  },
});

/** The ID token of a row: the same each time, as long as the user's groups are. */
async function sign(
  { db, issuer }: Context,
  { username: name, token_id, ip: address, issued_at, valid_until }: IssuedToken,
  known?: readonly string[],
): Promise<string> {
  const groups = known ?? (await listGroupsOf(db, name));
  return issuer.signIdToken(
    { username: name, groups },
    { tokenId: token_id, ip: address, issuedAt: issued_at, validUntil: valid_until },
  );
}

function credentialsOf(input: {
  username?: string | undefined;
  password?: string | undefined;
  kerberos_ticket?: string | undefined;
}): Credentials {
  const { username, password: secret, kerberos_ticket: ticket } = input;
  if (ticket !== undefined) return { username, ticket };
  // The refinements have seen that both are there.
  return { username: username ?? "", password: secret ?? "" };
}
