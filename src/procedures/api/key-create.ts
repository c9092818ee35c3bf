import { randomBytes } from "node:crypto";
import { z } from "zod";
import { createApiKey, newApiKey } from "../../accounts/api-keys.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { deriveApiKey } from "../../tokens/api-key.ts";
import { label, textField, username, vhost } from "../fields.ts";
import { loadAccount } from "../load-account.ts";

/** A hundred years, in seconds. */
const MAX_LIFETIME = 3_155_760_000;

const lifetime = `must be a whole number of seconds from 1 to ${MAX_LIFETIME}`;

/** What is stored for an idempotent retry: the seed gives the same key again, but only with the signing key. */
const created = z.object({
  seed: z.string(),
  id: z.string(),
  expires_at: z.iso.datetime().nullable(),
});

export const apiKeyCreate = defineProcedure({
  name: "api_key_create",
  key: "user_workflow_create_api_key",
  namespace: "user",
  method: "createApiKey",
  description:
    "Creates an API key for an account, which `token` takes instead of an ID token; shown only once.",
  access: "admin",
  remembersAnswer: true,
  errors: ["USER_NOT_FOUND", "TOO_MANY_KEYS"],
  input: (app) =>
    z.object({
      username: username(app),
      name: label().describe("what the key is for"),
      expires_in: z
        .int(lifetime)
        .min(1, lifetime)
        .max(MAX_LIFETIME, lifetime)
        .optional()
        .describe("lifetime in seconds; by default the key never expires"),
      groups: z
        .array(textField("must be a group's name"), "must be a list of group names")
        .max(1000, "must have at most 1000 groups")
        .optional()
        .describe("only these of the account's groups, as they are when a token is issued; by default all"),
      vhost: vhost(app),
    }),
  output: z.object({
    api_key: z.string().describe("API key; it cannot be read again"),
    id: z.string().describe("id of the key, for `api_key_revoke`"),
    expires_at: z.iso.datetime().nullable().describe("expiry time, in UTC; null if it never expires"),
  }),
  example: {
    request: { username: "invoices", name: "production", groups: ["billing"], vhost: "prod" },
    reply: { api_key: "<API key>", id: "5577006791947779410", expires_at: null },
  },
  async handler({ commit, fingerprints, lookups }, input) {
    const account = await loadAccount({ lookups }, input.username);
    const seed = randomBytes(32).toString("base64url");
    const api_key = deriveApiKey(fingerprints, seed);
    const key = newApiKey(api_key, input);
    const { id, expires_at } = await commit(async (writer) => {
      const outcome = await createApiKey(writer, account, key);
      if (outcome !== "created")
        throw new AppError(outcome === "too many" ? "TOO_MANY_KEYS" : "USER_NOT_FOUND");
      return { seed, id: key.id.toString(), expires_at: key.expires_at?.toISOString() ?? null };
    });
    return { api_key, id, expires_at };
  },
  async recall({ fingerprints }, stored) {
    const { seed, id, expires_at } = created.parse(stored);
    return { api_key: deriveApiKey(fingerprints, seed), id, expires_at };
  },
});
