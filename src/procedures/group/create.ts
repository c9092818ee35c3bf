import { z } from "zod";
import { createGroup } from "../../accounts/membership.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { groupname, msg } from "../fields.ts";

export const groupCreate = defineProcedure({
  name: "group_create",
  key: "group_workflow_create_group",
  namespace: "group",
  method: "create",
  description: "Creates a group.",
  access: "admin",
  remembersAnswer: true,
  errors: ["GROUP_TAKEN"],
  input: (app) => z.object({ groupname: groupname(app) }),
  output: z.object({ msg }),
  example: { request: { groupname: "billing" }, reply: { msg: "created group billing" } },
  async handler({ commit }, input) {
    return commit(async (writer) => {
      if ((await createGroup(writer, input.groupname)) === "taken") throw new AppError("GROUP_TAKEN");
      return { msg: `created group ${input.groupname}` };
    });
  },
});
