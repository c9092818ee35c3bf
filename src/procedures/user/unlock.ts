import { z } from "zod";
import { userUnlocked } from "../../accounts/happenings.ts";
import { record } from "../../accounts/writer.ts";
import { findUser } from "../../db/queries/users.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { username } from "../fields.ts";

export const unlockUser = defineProcedure({
  name: "user_unlock",
  description: "Takes back what failed logins have made an account's next ones wait for.",
  access: "admin",
  remembersAnswer: true,
  errors: ["USER_NOT_FOUND"],
  input: (app) => z.object({ username: username(app) }),
  output: z.object({ msg: z.string() }),
  example: { request: { username: "alice" }, reply: { msg: "unlocked user alice" } },
  async handler({ commit, throttle }, input) {
    return commit(async (writer) => {
      const user = await findUser(writer.trx, input.username);
      const name = user?.username ?? input.username;
      // A name that nobody has is throttled as well: the directory may know it.
      if (!(await throttle.unlock(writer, name)) && user === undefined) throw new AppError("USER_NOT_FOUND");
      await record(writer, userUnlocked(user?.username ?? null));
      return { msg: `unlocked user ${name}` };
    });
  },
});
