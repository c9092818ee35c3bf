import { z } from "zod";
import { deleteIdTokenOf } from "../../db/queries/id-tokens.ts";
import { findUser } from "../../db/queries/users.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { username } from "../fields.ts";

export const revokeSession = defineProcedure({
  name: "session_revoke",
  description: "Ends a user's session: the ID token is dead for every replica.",
  access: "admin",
  remembersAnswer: true,
  input: (app) => z.object({ username: username(app) }),
  output: z.object({ msg: z.string() }),
  async handler({ commit }, input) {
    return commit(async (trx) => {
      const user = await findUser(trx, input.username);
      if (user === undefined) throw new AppError("USER_NOT_FOUND");
      const isEnded = await deleteIdTokenOf(trx, user.username);
      return { msg: isEnded ? `ended the session of ${user.username}` : `${user.username} has no session` };
    });
  },
});
