import { z } from "zod";
import { addMember } from "../../accounts/membership.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { groupname, msg, username } from "../fields.ts";
import { loadAccount } from "../load-account.ts";

export const groupAddUser = defineProcedure({
  name: "group_add_user",
  key: "group_workflow_add_user_to_group",
  namespace: "group",
  method: "addUser",
  description: "Adds a user to a group; succeeds if the user is already a member.",
  access: "admin",
  remembersAnswer: true,
  errors: ["USER_NOT_FOUND", "GROUP_NOT_FOUND"],
  input: (app) => z.object({ groupname: groupname(app), username: username(app) }),
  output: z.object({ msg }),
  example: {
    request: { groupname: "billing", username: "alice" },
    reply: { msg: "added user alice to group billing" },
  },
  async handler({ lookups, commit }, input) {
    const user = await loadAccount({ lookups }, input.username);
    return commit(async (writer) => {
      const outcome = await addMember(writer, input.groupname, user.username);
      if (outcome === "no such user") throw new AppError("USER_NOT_FOUND");
      if (outcome === "no such group") throw new AppError("GROUP_NOT_FOUND");
      return { msg: `added user ${user.username} to group ${input.groupname}` };
    });
  },
});
