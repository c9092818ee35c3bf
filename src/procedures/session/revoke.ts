import { z } from "zod";
import { endSessions, endSessionsOf } from "../../accounts/sessions.ts";
import { readRowId } from "../../db/row-id.ts";
import { lockUser } from "../../db/queries/users.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { msg, sid, username } from "../fields.ts";
import { requireAccount } from "../load-account.ts";

export const sessionRevoke = defineProcedure({
  name: "session_revoke",
  key: "session_workflow_revoke_session",
  namespace: "session",
  method: "revoke",
  description:
    "Revokes one session of a user, or all of them: all workers reject its ID token, and authmq its access tokens.",
  access: "self",
  remembersAnswer: true,
  errors: ["USER_NOT_FOUND", "SESSION_NOT_FOUND"],
  input: (app) =>
    z.object({
      username: username(app).optional().describe("username, case-insensitive; by default the caller's"),
      sid: sid()
        .optional()
        .describe("id of the session (`session_all`); by default all sessions of the user"),
    }),
  output: z.object({ msg }),
  example: { request: { username: "alice" }, reply: { msg: "revoked 2 sessions of alice" } },
  async handler({ account, commit }, input) {
    const { username: name } = requireAccount(account);
    return commit(async (writer) => {
      // With the lock, a login at the same time comes before or after.
      if ((await lockUser(writer.trx, name)) === undefined) throw new AppError("USER_NOT_FOUND");
      if (input.sid === undefined) {
        const count = await endSessionsOf(writer, name, "revoked");
        return { msg: count === 0 ? `${name} has no session` : `revoked ${sessions(count)} of ${name}` };
      }
      const id = readRowId(input.sid);
      const count = id === undefined ? 0 : await endSessions(writer, name, [id], "revoked");
      if (count === 0) throw new AppError("SESSION_NOT_FOUND");
      return { msg: `revoked the session ${input.sid} of ${name}` };
    });
  },
});

function sessions(count: number): string {
  return count === 1 ? "1 session" : `${count} sessions`;
}
