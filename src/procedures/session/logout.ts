import { z } from "zod";
import { endSessions } from "../../accounts/sessions.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { ip, msg } from "../fields.ts";

export const logout = defineProcedure({
  name: "logout",
  key: "session_workflow_logout",
  namespace: "session",
  method: "logout",
  description: "Ends the session of an ID token; succeeds if it has already ended (RFC 7009, section 2.2).",
  access: "any_id_token",
  input: () => z.object({ ip: ip() }),
  output: z.object({ msg }),
  example: { request: { ip: "192.0.2.17" }, reply: { msg: "logged out alice" } },
  async handler({ commit, session }) {
    const { token_id, username } = session;
    await commit((writer) => endSessions(writer, username, [token_id], "logout"));
    return { msg: `logged out ${username}` };
  },
});
