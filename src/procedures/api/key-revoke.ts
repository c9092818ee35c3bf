import { z } from "zod";
import { revokeApiKey } from "../../accounts/api-keys.ts";
import { readRowId } from "../../db/row-id.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { msg, textField, username } from "../fields.ts";
import { requireAccount } from "../load-account.ts";

export const apiKeyRevoke = defineProcedure({
  name: "api_key_revoke",
  key: "user_workflow_revoke_api_key",
  namespace: "user",
  method: "revokeApiKey",
  description: "Revokes an API key: authmq rejects it, and the access tokens that it was exchanged for.",
  access: "self",
  remembersAnswer: true,
  errors: ["USER_NOT_FOUND", "API_KEY_NOT_FOUND"],
  input: (app) =>
    z.object({ username: username(app), id: textField().describe("id of the key (`api_key_all`)") }),
  output: z.object({ msg }),
  example: {
    request: { username: "invoices", id: "5577006791947779410" },
    reply: { msg: "revoked the API key 5577006791947779410 of invoices" },
  },
  async handler({ account, commit }, input) {
    const { username: name } = requireAccount(account);
    const id = readRowId(input.id);
    if (id === undefined) throw new AppError("API_KEY_NOT_FOUND");
    return commit(async (writer) => {
      if (!(await revokeApiKey(writer, name, id))) throw new AppError("API_KEY_NOT_FOUND");
      return { msg: `revoked the API key ${id} of ${name}` };
    });
  },
});
