import { z } from "zod";
import { deleteIdToken } from "../../db/queries/id-tokens.ts";
import { RevokedToken } from "../../rpc/authorize.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { ip } from "../fields.ts";

export const logout = defineProcedure({
  name: "logout",
  description: "Revokes the ID token.",
  access: "id_token",
  whenRevoked: (username) => ({ msg: `logged out ${username}` }),
  input: () => z.object({ ip: ip() }),
  output: z.object({ msg: z.string() }),
  example: { request: { ip: "192.0.2.17" }, reply: { msg: "logged out alice" } },
  async handler({ commit, emit, session }) {
    const isDone = await commit(async (trx) => {
      if (!(await deleteIdToken(trx, session.token_id))) return false;
      const { username } = session;
      await emit(trx, { type: "session.revoked", username, data: { reason: "logout" } });
      return true;
    });
    if (!isDone) throw new RevokedToken(session.username);
    return { msg: `logged out ${session.username}` };
  },
});
