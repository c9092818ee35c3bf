import { z } from "zod";
import { startSession } from "../../accounts/sessions.ts";
import type { LoginCredentials, LoginResult } from "../../auth/login.ts";
import { listGroupsOf } from "../../db/queries/groups.ts";
import { AppError } from "../../errors.ts";
import type { Context } from "../../rpc/context.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import type { IssuedIdToken, TokenIssuer } from "../../tokens/issuer.ts";
import { alwaysChecked, client, ip, kerberosTicket, password, username, vhost } from "../fields.ts";
import { endAfter, expiry, expiryOf } from "./expiry.ts";

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
  key: "session_workflow_login",
  namespace: "session",
  method: "login",
  description:
    "Starts a session and issues its ID token, for a username and password or a Kerberos ticket. Beyond " +
    "`sessions_per_user`, ends the user's least recently used session.",
  access: "public",
  remembersAnswer: true,
  hashes: true,
  asksDirectory: true,
  errors: ["INVALID_CREDENTIALS", "ACCOUNT_NOT_ACTIVATED", "TOKEN_TOO_LARGE"],
  input: (app) =>
    z
      .object({
        username: username(app)
          .optional()
          .describe("username, case-insensitive; optional with kerberos_ticket"),
        password: password().optional(),
        kerberos_ticket: kerberosTicket().optional().describe("SPNEGO token in base64, instead of password"),
        vhost: vhost(app),
        ip: ip(),
        client: client().optional(),
      })
      .refine(hasNameOrTicket, { path: ["username"], error: "is missing", ...alwaysChecked })
      .refine(hasPasswordOrTicket, { path: ["password"], error: "is missing", ...alwaysChecked })
      .refine(hasNotBoth, {
        path: ["password"],
        error: "must be omitted if kerberos_ticket is given",
        ...alwaysChecked,
      })
      // Refinements cannot appear in the published schema, so state the alternatives for it.
      .meta({ anyOf: [{ required: ["username", "password"] }, { required: ["kerberos_ticket"] }] }),
  output: z.object({
    id_token: z.string().describe("ID token, for `token` and `logout`"),
    ...expiry,
    kerberos_ticket: z
      .string()
      .optional()
      .describe("SPNEGO token in base64 that authenticates the service to the client"),
  }),
  example: {
    request: { username: "alice", password: "nine lanterns at dusk", vhost: "prod", ip: "192.0.2.17" },
    reply: { id_token: "<ID token>", expires_at: "2026-11-30T10:00:00.000Z", expires_in: 86_400 },
  },
  guesses: ({ username: name, password: secret }) => (secret === undefined ? undefined : name),
  async handler(context, input) {
    const { login: checkLogin, isCancelled } = context;
    const amr = input.kerberos_ticket === undefined ? ["pwd"] : ["kerb"];
    const from = { ip: input.ip, vhost: input.vhost, client: input.client ?? null, amr };
    const credentials = credentialsOf(input);
    const check = async (): Promise<Success> => {
      const result = await checkLogin(credentials, from, isCancelled);
      if (result.ok) return result;
      const isDeactivated = result.reason === "not-activated";
      throw new AppError(isDeactivated ? "ACCOUNT_NOT_ACTIVATED" : "INVALID_CREDENTIALS");
    };
    try {
      return await openSession(context, from, await check());
    } catch (error) {
      if (!(error instanceof AccountChanged)) throw error;
    }
    // Retry once: another login replaced the hash, or the account changed while the password was compared.
    return openSession(context, from, await check());
  },
  // The claims are stored instead of the token. Signing them again gives the same token, even if its session has ended.
  async recall({ issuer, notes }, stored) {
    const issued = issuedToken.parse(stored);
    notes.user = issued.username;
    const expires = expiryOf(new Date(issued.valid_until), new Date(issued.issued_at));
    return { id_token: sign(issuer, issued).text, ...expires };
  },
});

/** The claims of an ID token, as stored for an idempotent replay. */
const issuedToken = z.object({
  token_id: z.string(),
  username: z.string(),
  groups: z.array(z.string()).optional(),
  ip: z.string(),
  issued_at: z.iso.datetime(),
  valid_until: z.iso.datetime(),
  signer_id: z.string().optional(),
  /** Absent if an earlier version has issued the token: it has neither `amr` nor `auth_time`. */
  amr: z.array(z.string()).optional(),
});

type Success = Extract<LoginResult, { ok: true }>;

interface Reply {
  readonly id_token: string;
  readonly expires_at: string;
  readonly expires_in: number;
  readonly kerberos_ticket?: string;
}

/** Where a login comes from. */
interface Origin {
  readonly ip: string;
  readonly vhost: string;
  readonly client: string | null;
  /** How the user was authenticated (RFC 8176). */
  readonly amr: string[];
}

/** The account changed between the password check and the start of the session. */
class AccountChanged extends AppError {
  constructor() {
    super("INVALID_CREDENTIALS", "the account changed during the login");
  }
}

/** Starts a session after the credentials were verified; throws AccountChanged if the account changed since then. */
async function openSession(
  { app, commit, issuer, notes }: Context<"public">,
  { ip: address, vhost: host, client: label, amr }: Origin,
  { user, rehashed, ticket, groups: known }: Success,
): Promise<Reply> {
  const { username: name, auth_type } = user;
  const now = new Date();
  const token = {
    ip: address,
    vhost: host,
    valid_until: endAfter(now, app.id_token_valid_time * 60),
    sign_method: issuer.method,
    validated_at: auth_type === "LDAP" ? now : null,
    created_at: now,
    client: label,
    amr,
  };
  let id_token = "";
  await commit(async (writer) => {
    // Read everything that the reply needs before the commit: after it nothing may fail.
    const groups = known ?? (await listGroupsOf(writer.trx, name));
    const id = await startSession(writer, { user, rehashed }, token, app.sessions_per_user);
    if (id === "changed") throw new AccountChanged();
    const content = {
      token_id: id.toString(),
      username: name,
      ip: address,
      issued_at: now.toISOString(),
      valid_until: token.valid_until.toISOString(),
      signer_id: issuer.signerId,
      amr,
    };
    // Sign before the commit: a session must not start if its token is too long.
    const { text, listsGroups } = sign(issuer, { ...content, groups: [...groups] });
    id_token = text;
    return listsGroups ? { ...content, groups: [...groups] } : content;
  });
  notes.user = name;
  return {
    id_token,
    ...expiryOf(token.valid_until, now),
    ...(ticket === undefined ? {} : { kerberos_ticket: ticket }),
  };
}

/** Signs an ID token; the same content always gives the same token. */
function sign(
  issuer: TokenIssuer,
  {
    token_id,
    username: name,
    groups,
    ip: address,
    issued_at,
    valid_until,
    signer_id,
    amr,
  }: z.output<typeof issuedToken>,
): IssuedIdToken {
  const issuedAt = new Date(issued_at);
  return issuer.signIdToken(
    { username: name, ...(groups === undefined ? {} : { groups }) },
    {
      tokenId: BigInt(token_id),
      ip: address,
      issuedAt,
      validUntil: new Date(valid_until),
      ...(amr === undefined ? {} : { amr, authTime: issuedAt }),
    },
    signer_id,
  );
}

function credentialsOf(input: {
  username?: string | undefined;
  password?: string | undefined;
  kerberos_ticket?: string | undefined;
}): LoginCredentials {
  const { username, password: secret, kerberos_ticket: ticket } = input;
  if (ticket !== undefined) return { username, ticket };
  // The refinements guarantee that both are present.
  return { username: username ?? "", password: secret ?? "" };
}
