import { z } from "zod";
import { endSessionOf } from "../../accounts/sessions.ts";
import { findUser } from "../../db/queries/users.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { msg, username } from "../fields.ts";

export const sessionRevoke = defineProcedure({
  name: "session_revoke",
  key: "session_workflow_revoke_session",
  namespace: "session",
  method: "revoke",
  description: "Revokes a user's session: all workers reject its ID token from then on.",
  access: "admin",
  remembersAnswer: true,
  errors: ["USER_NOT_FOUND"],
  input: (app) => z.object({ username: username(app) }),
  output: z.object({ msg }),
  example: { request: { username: "alice" }, reply: { msg: "revoked the session of alice" } },
  async handler({ commit }, input) {
    return commit(async (writer) => {
      const user = await findUser(writer.trx, input.username);
      if (user === undefined) throw new AppError("USER_NOT_FOUND");
      const { username: name } = user;
      const isRevoked = await endSessionOf(writer, name, "revoked");
      return { msg: isRevoked ? `revoked the session of ${name}` : `${name} has no session` };
    });
  },
});
