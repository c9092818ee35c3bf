import { z } from "zod";
import { isSameAccount } from "../../db/names.ts";
import { fromSqlTime } from "../../db/time.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { missingToken } from "../../rpc/validate.ts";
import { authType, username } from "../fields.ts";
import { requireAccount, loadAccount } from "../load-account.ts";

const time = z.iso.datetime();

const tokenInfo = z.object({
  valid_until: time.describe("expiry time of the ID token, in UTC"),
  last_use: time.nullable().describe("time of the last access token, in UTC; null if there was none"),
  vhost: z.string().describe("vhost that access tokens are issued for"),
  kid: z.string().optional().describe("for admins: id of the ID token"),
  ip: z.string().optional().describe("for admins: client address that the session is bound to, or *"),
  sign_method: z.string().optional().describe("for admins: algorithm of the ID token"),
});

export const userGet = defineProcedure({
  name: "user_get",
  key: "user_workflow_get_user",
  namespace: "user",
  method: "get",
  description:
    "Returns a user: basic fields; to the user and admins also the groups and the latest session of the user.",
  access: "optional",
  errors: ["USER_NOT_FOUND"],
  input: (app) => z.object({ username: username(app) }),
  output: z.object({
    username: z.string().describe("username, spelled as registered"),
    activated: z.boolean().describe("whether the user may log in"),
    created_at: time.describe("creation time of the account, in UTC"),
    groups: z.array(z.string()).optional().describe("for the user and admins: groups of the user"),
    token_info: tokenInfo
      .nullable()
      .optional()
      .describe("for the user and admins: session that was used last; null if there is none"),
    sessions: z.int().optional().describe("for the user and admins: number of sessions"),
    email_verified: z
      .boolean()
      .optional()
      .describe("for the user and admins: whether the email address is verified"),
    email: z
      .string()
      .nullable()
      .optional()
      .describe("for admins: email address; null for a service or directory user without one"),
    auth_type: authType().optional().describe("for admins: login source that verifies the password"),
  }),
  example: {
    request: { username: "alice" },
    reply: {
      username: "alice",
      activated: true,
      created_at: "2026-01-15T08:30:00.000Z",
      groups: ["billing"],
      token_info: {
        valid_until: "2026-03-02T09:00:00.000Z",
        last_use: "2026-03-01T16:45:12.000Z",
        vhost: "prod",
      },
      sessions: 2,
    },
  },
  async handler({ account, app, caller, lookups }, input) {
    if (caller === undefined && !app.anonymous_user_get) throw missingToken("access_token");
    const user =
      caller === undefined ? await loadAccount({ lookups }, input.username) : requireAccount(account);
    const basic = {
      username: user.username,
      activated: user.activated === 1,
      created_at: fromSqlTime(user.created_at).toISOString(),
    };
    const isAdmin = caller?.isAdmin === true;
    if (!isAdmin && (caller === undefined || !isSameAccount(caller.username, user.username))) return basic;
    const { latest: token, count } = (await lookups.sessions(user.username)) ?? {
      latest: undefined,
      count: 0,
    };
    const token_info =
      token === undefined
        ? null
        : {
            valid_until: token.valid_until.toISOString(),
            last_use: token.last_use?.toISOString() ?? null,
            vhost: token.vhost,
            ...(isAdmin
              ? { kid: token.token_id.toString(), ip: token.ip, sign_method: token.sign_methods[0] }
              : {}),
          };
    return {
      ...basic,
      groups: [...user.groups],
      token_info,
      sessions: count,
      email_verified: user.email_verified_at !== null,
      ...(isAdmin ? { email: user.email, auth_type: user.auth_type } : {}),
    };
  },
});
