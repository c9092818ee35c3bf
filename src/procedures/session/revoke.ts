import { z } from "zod";
import { deleteIdTokenOf, findUser } from "../../db/queries/users.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { username } from "../fields.ts";

export const revokeSession = defineProcedure({
  name: "session_revoke",
  description: "Ends a user's session: the ID token is dead for every replica.",
  access: "admin",
  remembersAnswer: true,
  errors: ["USER_NOT_FOUND"],
  input: (app) => z.object({ username: username(app) }),
  output: z.object({ msg: z.string() }),
  example: { request: { username: "alice" }, reply: { msg: "ended the session of alice" } },
  async handler({ commit, emit }, input) {
    return commit(async (trx) => {
      const user = await findUser(trx, input.username);
      if (user === undefined) throw new AppError("USER_NOT_FOUND");
      const isEnded = await deleteIdTokenOf(trx, user.username);
      const { username: name } = user;
      if (isEnded) await emit(trx, { type: "session.revoked", username: name, data: { reason: "revoked" } });
      return { msg: isEnded ? `ended the session of ${name}` : `${name} has no session` };
    });
  },
});
