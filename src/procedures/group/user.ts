import { z } from "zod";
import { groupExists, listMembers } from "../../db/queries/groups.ts";
import { pageOfMembers } from "../../db/queries/pages.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { groupname } from "../fields.ts";
import { cursorOf, next, pageFields, pageOf } from "../page.ts";

export const groupUser = defineProcedure({
  name: "group_user",
  key: "group_workflow_group_members",
  namespace: "group",
  method: "members",
  description: "Lists the members of a group, or one page of them.",
  access: "admin",
  errors: ["GROUP_NOT_FOUND"],
  input: (app) => z.object({ groupname: groupname(app), ...pageFields }),
  output: z.object({ users: z.array(z.string()).describe("usernames of the members, sorted"), next }),
  example: { request: { groupname: "billing" }, reply: { users: ["alice"] } },
  async handler({ db }, input) {
    const page = pageOf(input);
    const found =
      page === undefined
        ? { names: await listMembers(db, input.groupname), next: undefined }
        : await pageOfMembers(db, input.groupname, page);
    if (found.names.length === 0 && !(await groupExists(db, input.groupname)))
      throw new AppError("GROUP_NOT_FOUND");
    return { users: [...found.names], ...cursorOf(found) };
  },
});
