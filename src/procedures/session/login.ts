import { z } from "zod";
import type { LoginCredentials, LoginResult } from "../../auth/login.ts";
import { AppError } from "../../errors.ts";
import type { Context } from "../../rpc/context.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { commitReply } from "../commit-reply.ts";
import { alwaysChecked, client, ip, kerberosTicket, password, username, vhost } from "../fields.ts";
import { askForFactor, assertNoFactorNeeded, FactorNeeded } from "./ask-for-factor.ts";
import { expiry } from "./expiry.ts";
import {
  AccountChanged,
  openSession,
  recallSession,
  type SessionOrigin,
  type SessionReply,
} from "./open-session.ts";

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
  errors: [
    "INVALID_CREDENTIALS",
    "SECOND_FACTOR_REQUIRED",
    "SECOND_FACTOR_SETUP_REQUIRED",
    "ACCOUNT_NOT_ACTIVATED",
    "TOKEN_TOO_LARGE",
  ],
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
      return await proceed(context, from, await check());
    } catch (error) {
      if (!(error instanceof AccountChanged)) throw error;
    }
    // Retry once: another login replaced the hash, or the account changed while the password was compared.
    return proceed(context, from, await check());
  },
  recall: async (context, stored) => recallSession(context, stored),
});

type Success = Extract<LoginResult, { ok: true }>;

/** Starts a session, unless the account has or needs a second factor. Throws AccountChanged. */
async function proceed(
  context: Context<"public">,
  origin: SessionOrigin,
  { user, rehashed, ticket }: Success,
): Promise<SessionReply & { readonly kerberos_ticket?: string }> {
  const { app, notes } = context;
  notes.user = user.username;
  try {
    const reply = await commitReply(context, (writer) =>
      openSession(context, writer, origin, {
        ...{ user, rehashed },
        beforeStart: (account, known) => assertNoFactorNeeded(app, writer, account, known),
      }),
    );
    return { ...reply, ...(ticket === undefined ? {} : { kerberos_ticket: ticket }) };
  } catch (error) {
    if (error instanceof FactorNeeded) return askForFactor(context, origin, { user, rehashed }, error);
    throw error;
  }
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
