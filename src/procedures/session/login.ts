import { z } from "zod";
import type { Credentials } from "../../auth/login.ts";
import { replaceIdToken } from "../../db/queries/id-tokens.ts";
import { listGroupsOf } from "../../db/queries/groups.ts";
import { AppError } from "../../errors.ts";
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
  async handler({ app, db, issuer, login: checkLogin, stillWanted }, input) {
    const result = await checkLogin(credentialsOf(input), stillWanted);
    if (!result.ok) {
      throw new AppError(result.reason === "not-activated" ? "ACCOUNT_NOT_ACTIVATED" : "INVALID_CREDENTIALS");
    }
    const { user, rehashed, ticket } = result;
    const validUntil = new Date(Date.now() + app.id_token_valid_time * 60_000);
    const tokenId = await replaceIdToken(
      db,
      { username: user.username, auth_type: user.auth_type, hash: user.password_hash, rehashed },
      {
        ip: input.ip,
        vhost: input.vhost,
        valid_until: validUntil,
        sign_method: issuer.method,
        validated_at: user.auth_type === "LDAP" ? new Date() : null,
      },
    );
    // The password was changed or the account turned off while the hash was computed: what was proven holds no more.
    if (tokenId === "changed")
      throw new AppError("INVALID_CREDENTIALS", "the account changed during the login");
    const groups = result.groups ?? (await listGroupsOf(db, user.username));
    const subject = { username: user.username, groups };
    return {
      id_token: await issuer.signIdToken(subject, { tokenId, ip: input.ip, validUntil }),
      ...(ticket === undefined ? {} : { kerberos_ticket: ticket }),
    };
  },
});

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
