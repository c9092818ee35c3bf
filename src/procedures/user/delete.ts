import { z } from "zod";
import { deleteAccount } from "../../accounts/delete.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { successReply, username } from "../fields.ts";
import { assertNoOwnKey, requireAccount } from "../load-account.ts";

export const userDelete = defineProcedure({
  name: "user_delete",
  key: "user_workflow_delete_user",
  namespace: "user",
  method: "delete",
  description: "Deletes a user, the user's sessions, API keys and memberships; users may delete themselves.",
  access: "self",
  remembersAnswer: true,
  errors: ["ACCOUNT_NOT_ACTIVATED", "USER_NOT_FOUND", "LAST_ADMIN"],
  input: (app) => z.object({ username: username(app) }),
  output: z.object(successReply),
  example: { request: { username: "alice" }, reply: { success: true, msg: "deleted user alice" } },
  async handler(context) {
    const user = requireAccount(context.account);
    assertNoOwnKey(context.caller, user);
    return context.commit(async (writer) => {
      const outcome = await deleteAccount(writer, user, context.app.admin_group);
      if (outcome !== "deleted")
        throw new AppError(outcome === "last admin" ? "LAST_ADMIN" : "USER_NOT_FOUND");
      await context.throttle.forget(writer, user.username);
      return { success: true as const, msg: `deleted user ${user.username}` };
    });
  },
});
