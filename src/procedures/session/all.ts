import { z } from "zod";
import { listSessionsOf } from "../../db/queries/id-tokens.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { username } from "../fields.ts";
import { requireAccount } from "../load-account.ts";

const time = z.iso.datetime();

export const sessionAll = defineProcedure({
  name: "session_all",
  key: "session_workflow_get_all",
  namespace: "session",
  method: "getAll",
  description: "Lists the sessions of a user, the latest used first; by default the caller's own.",
  access: "self",
  errors: ["USER_NOT_FOUND"],
  input: (app) => z.object({ username: username(app).optional() }),
  output: z.object({
    sessions: z
      .array(
        z.object({
          sid: z.string().describe("id of the session, as in the claim `sid` of its tokens"),
          client: z.string().nullable().describe("`client` of the login; null if there was none"),
          ip: z.string().describe("client address that the session is bound to, or *"),
          vhost: z.string().describe("vhost that access tokens are issued for"),
          created_at: time.describe("time of the login, in UTC"),
          last_use: time.nullable().describe("time of the last access token, in UTC; null if there was none"),
          valid_until: time.describe("expiry time of the latest ID token, in UTC"),
          current: z.boolean().describe("whether the access token of this request belongs to the session"),
        }),
      )
      .describe("sessions, the latest used first"),
  }),
  example: {
    request: {},
    reply: {
      sessions: [
        {
          sid: "5577006791947779410",
          client: "Firefox on Linux",
          ip: "192.0.2.17",
          vhost: "prod",
          created_at: "2026-11-28T09:00:00.000Z",
          last_use: "2026-11-29T09:55:12.000Z",
          valid_until: "2026-11-30T09:00:00.000Z",
          current: true,
        },
      ],
    },
  },
  async handler({ account, caller, db, lastUse }) {
    const { username: name } = requireAccount(account);
    const current = caller.grant !== undefined && "sid" in caller.grant ? caller.grant.sid : undefined;
    const { live } = await listSessionsOf(db, name, (sid) => lastUse.unwritten({ sid }));
    return {
      sessions: live.map(({ token_id, client, ip, vhost, created_at, last_use, valid_until }) => ({
        sid: token_id.toString(),
        client,
        ip,
        vhost,
        created_at: created_at.toISOString(),
        last_use: last_use?.toISOString() ?? null,
        valid_until: valid_until.toISOString(),
        current: token_id === current,
      })),
    };
  },
});
