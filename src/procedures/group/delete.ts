import { z } from "zod";
import { deleteGroup } from "../../accounts/membership.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { groupname, msg } from "../fields.ts";

export const groupDelete = defineProcedure({
  name: "group_delete",
  key: "group_workflow_delete_group",
  namespace: "group",
  method: "delete",
  description: "Deletes a group and its memberships; the admin group cannot be deleted.",
  access: "admin",
  remembersAnswer: true,
  errors: ["GROUP_NOT_FOUND", "LAST_ADMIN"],
  input: (app) => z.object({ groupname: groupname(app) }),
  output: z.object({ msg }),
  example: { request: { groupname: "billing" }, reply: { msg: "deleted group billing" } },
  async handler({ app, commit }, input) {
    return commit(async (writer) => {
      const outcome = await deleteGroup(writer, input.groupname, app.admin_group);
      if (outcome !== "deleted")
        throw new AppError(outcome === "admin group" ? "LAST_ADMIN" : "GROUP_NOT_FOUND");
      return { msg: `deleted group ${input.groupname}` };
    });
  },
});
