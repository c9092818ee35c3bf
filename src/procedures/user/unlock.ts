import { z } from "zod";
import { recordUnlock } from "../../accounts/change.ts";
import { findUser } from "../../db/queries/users.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { msg, username } from "../fields.ts";

export const userUnlock = defineProcedure({
  name: "user_unlock",
  key: "user_workflow_unlock_user",
  namespace: "user",
  method: "unlock",
  description: "Deletes an account's failed logins, so that it is no longer rate limited.",
  access: "admin",
  remembersAnswer: true,
  errors: ["USER_NOT_FOUND"],
  input: (app) => z.object({ username: username(app) }),
  output: z.object({ msg }),
  example: { request: { username: "alice" }, reply: { msg: "unlocked user alice" } },
  async handler({ commit, throttle }, input) {
    return commit(async (writer) => {
      const user = await findUser(writer.trx, input.username);
      const name = user?.username ?? input.username;
      // Unknown usernames are rate limited too: they may be users of the directory.
      if (!(await throttle.unlock(writer, name)) && user === undefined) throw new AppError("USER_NOT_FOUND");
      await recordUnlock(writer, user?.username ?? null);
      return { msg: `unlocked user ${name}` };
    });
  },
});
