import { z } from "zod";
import { createGroup as createRow } from "../../db/queries/groups.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { groupname } from "../fields.ts";

export const createGroup = defineProcedure({
  name: "group_create",
  description: "Makes a group.",
  access: "admin",
  remembersAnswer: true,
  errors: ["GROUP_TAKEN"],
  input: (app) => z.object({ groupname: groupname(app) }),
  output: z.object({ msg: z.string() }),
  example: { request: { groupname: "billing" }, reply: { msg: "created group billing" } },
  async handler({ commit, emit }, input) {
    return commit(async (trx) => {
      if ((await createRow(trx, input.groupname)) === "taken") throw new AppError("GROUP_TAKEN");
      await emit(trx, { type: "group.created", username: null, data: { groupname: input.groupname } });
      return { msg: `created group ${input.groupname}` };
    });
  },
});
