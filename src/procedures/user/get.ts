import { z } from "zod";
import { isSameAccount } from "../../db/names.ts";
import { fromSqlTime } from "../../db/time.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { missingToken } from "../../rpc/validate.ts";
import { authType, username } from "../fields.ts";
import { existing, getAccount } from "./target.ts";

const time = z.iso.datetime().describe("UTC");

const tokenInfo = z.object({
  valid_until: time,
  last_use: time.nullable().describe("when the last access token was made"),
  vhost: z.string(),
  kid: z.string().optional().describe("admins: the token's id"),
  ip: z.string().optional().describe("admins: * or the address it is bound to"),
  sign_method: z.string().optional().describe("admins"),
});

export const getUser = defineProcedure({
  name: "user_get",
  description: "Describes a user: a little to anyone, more to the user itself, all to admins.",
  access: "optional",
  errors: ["USER_NOT_FOUND"],
  input: (app) => z.object({ username: username(app) }),
  output: z.object({
    username: z.string(),
    activated: z.boolean(),
    created_at: time,
    groups: z.array(z.string()).optional().describe("the user itself and admins"),
    token_info: tokenInfo
      .nullable()
      .optional()
      .describe("the user itself and admins; null without a session"),
    email_verified: z
      .boolean()
      .optional()
      .describe("the user itself and admins: whether the address is proven"),
    email: z.string().nullable().optional().describe("admins; null for a directory user without one"),
    auth_type: authType().optional().describe("admins"),
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
    },
  },
  async handler({ account, app, caller, lastUse, lookups }, input) {
    if (caller === undefined && !app.anonymous_user_get) throw missingToken("access_token");
    const user = caller === undefined ? await getAccount({ lookups }, input.username) : existing(account);
    const basic = {
      username: user.username,
      activated: user.activated === 1,
      created_at: fromSqlTime(user.created_at).toISOString(),
    };
    const isAdmin = caller?.isAdmin === true;
    if (!isAdmin && (caller === undefined || !isSameAccount(caller.username, user.username))) return basic;
    const { token } = user;
    const token_info =
      token === undefined
        ? null
        : {
            valid_until: token.valid_until.toISOString(),
            last_use: (lastUse.unwritten(token.token_id) ?? token.last_use)?.toISOString() ?? null,
            vhost: token.vhost,
            ...(isAdmin
              ? { kid: token.token_id.toString(), ip: token.ip, sign_method: token.sign_method }
              : {}),
          };
    return {
      ...basic,
      groups: [...user.groups],
      token_info,
      email_verified: user.email_verified_at !== null,
      ...(isAdmin ? { email: user.email, auth_type: user.auth_type } : {}),
    };
  },
});
