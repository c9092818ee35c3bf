import { z } from "zod";
import { removeMember } from "../../accounts/membership.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { groupname, msg, username } from "../fields.ts";
import { loadAccount } from "../load-account.ts";

export const groupRemoveUser = defineProcedure({
  name: "group_remove_user",
  key: "group_workflow_remove_user_from_group",
  namespace: "group",
  method: "removeUser",
  description: "Removes a user from a group; the last administrator must stay in the admin group.",
  access: "admin",
  remembersAnswer: true,
  errors: ["USER_NOT_FOUND", "GROUP_NOT_FOUND", "LAST_ADMIN"],
  input: (app) => z.object({ groupname: groupname(app), username: username(app) }),
  output: z.object({ msg }),
  example: {
    request: { groupname: "billing", username: "alice" },
    reply: { msg: "removed user alice from group billing" },
  },
  async handler({ app, lookups, commit }, input) {
    const user = await loadAccount({ lookups }, input.username);
    return commit(async (writer) => {
      const outcome = await removeMember(writer, input.groupname, user.username, app.admin_group);
      if (outcome === "no such group") throw new AppError("GROUP_NOT_FOUND");
      if (outcome === "last admin") throw new AppError("LAST_ADMIN");
      return { msg: `removed user ${user.username} from group ${input.groupname}` };
    });
  },
});
