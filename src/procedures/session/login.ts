import { z } from "zod";
import type { Credentials, LoginResult } from "../../auth/login.ts";
import { findIssuedToken, type IssuedToken, replaceIdToken } from "../../db/queries/id-tokens.ts";
import { listGroupsOf } from "../../db/queries/groups.ts";
import { AppError } from "../../errors.ts";
import type { Context } from "../../rpc/context.ts";
import { isSameBody } from "../../rpc/identity.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import type { TokenIssuer } from "../../tokens/issuer.ts";
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
    const { db, issuer, login: checkLogin, request, stillWanted } = context;
    const earlier = request?.mayRepeat === true ? await findIssuedToken(db, request.requestKey) : undefined;
    if (request !== undefined && earlier !== undefined && isSameBody(request, earlier.body_hash)) {
      if (!earlier.activated) throw new AppError("ACCOUNT_NOT_ACTIVATED");
      return { id_token: await sign(issuer, earlier) };
    }
    const credentials = credentialsOf(input);
    const result = await checkLogin(credentials, stillWanted);
    // Not before the password was checked: whoever knows a key would learn without that cost whether a guess is right.
    if (earlier !== undefined) throw new AppError("IDEMPOTENCY_CONFLICT");
    const outcome = await open(context, input, successOf(result));
    if (outcome !== "changed") return outcome;
    // Another login has made the hash anew, or the account was changed while the password was compared.
    const again = await open(context, input, successOf(await checkLogin(credentials, stillWanted)));
    if (again === "changed")
      throw new AppError("INVALID_CREDENTIALS", "the account changed during the login");
    return again;
  },
});

type Success = Extract<LoginResult, { ok: true }>;

interface Reply {
  readonly id_token: string;
  readonly kerberos_ticket?: string;
}

function successOf(result: LoginResult): Success {
  if (result.ok) return result;
  throw new AppError(result.reason === "not-activated" ? "ACCOUNT_NOT_ACTIVATED" : "INVALID_CREDENTIALS");
}

/** Begins the session of somebody whose credentials were right; "changed" when they are no longer those of the row. */
async function open(
  context: Context<"public">,
  { ip: address, vhost: host }: { readonly ip: string; readonly vhost: string },
  { user, rehashed, ticket, groups: known }: Success,
): Promise<Reply | "changed"> {
  const { app, commit, issuer, request } = context;
  const proven = { username: user.username, auth_type: user.auth_type, hash: user.password_hash, rehashed };
  const now = new Date();
  const token = {
    ip: address,
    vhost: host,
    issued_at: now,
    valid_until: new Date(now.getTime() + app.id_token_valid_time * 60_000),
    sign_method: issuer.method,
    validated_at: user.auth_type === "LDAP" ? now : null,
  };
  const issued = await commit(async (trx) => {
    // All that the answer needs is read before the commit: once it is done nothing may fail any more.
    const groups = known ?? (await listGroupsOf(trx, user.username));
    const outcome = await replaceIdToken(trx, proven, { ...token, groups }, request);
    if (outcome === "other request") throw new AppError("IDEMPOTENCY_CONFLICT");
    return outcome;
  });
  if (issued === "changed") return issued;
  return {
    id_token: await sign(issuer, issued),
    ...(ticket === undefined ? {} : { kerberos_ticket: ticket }),
  };
}

/** The ID token of a row: the same each time. */
function sign(
  issuer: TokenIssuer,
  { username: name, token_id, ip: address, groups, issued_at, valid_until }: IssuedToken,
): Promise<string> {
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
