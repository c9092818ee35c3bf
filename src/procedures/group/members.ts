import { z } from "zod";
import { groupExists, listMembers } from "../../db/queries/groups.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { groupname } from "../fields.ts";

export const groupMembers = defineProcedure({
  name: "group_user",
  description: "Lists the usernames in a group.",
  access: "admin",
  errors: ["GROUP_NOT_FOUND"],
  input: (app) => z.object({ groupname: groupname(app) }),
  output: z.object({ users: z.array(z.string()) }),
  example: { request: { groupname: "billing" }, reply: { users: ["alice"] } },
  async handler({ db }, input) {
    const users = await listMembers(db, input.groupname);
    if (users.length === 0 && !(await groupExists(db, input.groupname)))
      throw new AppError("GROUP_NOT_FOUND");
    return { users };
  },
});
