import { z } from "zod";
import { deleteGroup as deleteRow } from "../../db/queries/groups.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { groupname } from "../fields.ts";

export const deleteGroup = defineProcedure({
  name: "group_delete",
  description: "Deletes a group with its memberships; the admin group stays.",
  access: "admin",
  remembersAnswer: true,
  errors: ["GROUP_NOT_FOUND", "LAST_ADMIN"],
  input: (app) => z.object({ groupname: groupname(app) }),
  output: z.object({ msg: z.string() }),
  example: { request: { groupname: "billing" }, reply: { msg: "deleted group billing" } },
  async handler({ app, commit, emit }, input) {
    if (input.groupname === app.admin_group) throw new AppError("LAST_ADMIN");
    return commit(async (trx) => {
      if ((await deleteRow(trx, input.groupname)) === "no such group") throw new AppError("GROUP_NOT_FOUND");
      await emit(trx, { type: "group.deleted", username: null, data: { groupname: input.groupname } });
      return { msg: `deleted group ${input.groupname}` };
    });
  },
});
