import { z } from "zod";
import { endSession } from "../../accounts/sessions.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { ip } from "../fields.ts";

export const logout = defineProcedure({
  name: "logout",
  description:
    "Ends the session of an ID token; done as well when it had ended before (RFC 7009 section 2.2).",
  access: "any_id_token",
  input: () => z.object({ ip: ip() }),
  output: z.object({ msg: z.string() }),
  example: { request: { ip: "192.0.2.17" }, reply: { msg: "logged out alice" } },
  async handler({ commit, session }) {
    await commit((writer) => endSession(writer, session, "logout"));
    return { msg: `logged out ${session.username}` };
  },
});
