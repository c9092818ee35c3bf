import { z } from "zod";
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
  async handler({ commit, emit, throttle }, input) {
    return commit(async (trx) => {
      const user = await findUser(trx, input.username);
      const name = user?.username ?? input.username;
      // A name that nobody has is throttled as well: the directory may know it.
      if (!(await throttle.unlock(trx, name)) && user === undefined) throw new AppError("USER_NOT_FOUND");
      await emit(trx, { type: "user.unlocked", username: user?.username ?? null, data: {} });
      return { msg: `unlocked user ${name}` };
    });
  },
});
