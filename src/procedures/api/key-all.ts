import { z } from "zod";
import { type ApiKeyRow, listApiKeysOf } from "../../db/queries/api-keys.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { username } from "../fields.ts";
import { requireAccount } from "../load-account.ts";

const time = z.iso.datetime();

export const apiKeyAll = defineProcedure({
  name: "api_key_all",
  key: "user_workflow_get_api_keys",
  namespace: "user",
  method: "getApiKeys",
  description: "Lists the API keys of an account, without the keys themselves.",
  access: "self",
  errors: ["USER_NOT_FOUND"],
  input: (app) => z.object({ username: username(app) }),
  output: z.object({
    api_keys: z
      .array(
        z.object({
          id: z.string().describe("id of the key, for `api_key_revoke`"),
          name: z.string().describe("what the key is for"),
          groups: z
            .array(z.string())
            .nullable()
            .describe("only these of the account's groups; null for all groups"),
          vhost: z.string().describe("vhost that access tokens are issued for"),
          created_at: time.describe("creation time, in UTC"),
          expires_at: time.nullable().describe("expiry time, in UTC; null if it never expires"),
          last_use: time.nullable().describe("time of the last access token, in UTC; null if there was none"),
        }),
      )
      .describe("API keys, in the order of creation"),
  }),
  example: {
    request: { username: "invoices" },
    reply: {
      api_keys: [
        {
          id: "5577006791947779410",
          name: "production",
          groups: ["billing"],
          vhost: "prod",
          created_at: "2026-11-28T09:00:00.000Z",
          expires_at: null,
          last_use: "2026-11-29T09:55:12.000Z",
        },
      ],
    },
  },
  async handler({ account, db, lastUse }) {
    const keys = await listApiKeysOf(db, requireAccount(account).username);
    return {
      api_keys: keys.map((key) =>
        describeApiKey({ ...key, last_use: lastUse.unwritten({ apiKeyId: key.id }) ?? key.last_use }),
      ),
    };
  },
});

/** An API key as in replies, and in the output of `authmq api-key list --json`. */
export function describeApiKey({ id, name, groups, vhost, created_at, expires_at, last_use }: ApiKeyRow) {
  return {
    id: id.toString(),
    name,
    groups: groups === null ? null : [...groups],
    vhost,
    created_at: created_at.toISOString(),
    expires_at: expires_at?.toISOString() ?? null,
    last_use: last_use?.toISOString() ?? null,
  };
}
