import { z } from "zod";
import { removeFactor } from "../../accounts/factors.ts";
import { readRowId } from "../../db/row-id.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { factorId } from "../factor-fields.ts";
import { successReply, username } from "../fields.ts";
import { assertOwnSession, requireAccount } from "../load-account.ts";

export const factorRemove = defineProcedure({
  name: "factor_remove",
  key: "user_workflow_remove_factor",
  namespace: "user",
  method: "removeFactor",
  description:
    "Removes a second factor of a user, and with the last one the recovery codes; for the user and admins. Where a " +
    "factor is required, the next login enrols a new one.",
  access: "self",
  requires: "second_factor",
  needsRecentLogin: () => true,
  remembersAnswer: true,
  errors: ["USER_NOT_FOUND", "FACTOR_NOT_FOUND"],
  input: (app) =>
    z.object({
      username: username(app).optional().describe("user; by default the caller"),
      id: factorId(),
    }),
  output: z.object(successReply),
  example: {
    request: { id: "5577006791947779410" },
    reply: { success: true, msg: "removed the second factor" },
  },
  async handler({ account, caller, commit }, { id: text }) {
    const owner = requireAccount(account);
    assertOwnSession(caller, owner);
    const { username: name } = owner;
    return commit(async (writer) => {
      const id = readRowId(text);
      if (id === undefined || !(await removeFactor(writer, name, id))) throw new AppError("FACTOR_NOT_FOUND");
      return { success: true as const, msg: "removed the second factor" };
    });
  },
});
