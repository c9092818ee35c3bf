import { z } from "zod";
import { pageOfGroups } from "../../db/queries/pages.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { cursorOf, next, pageFields, pageOf } from "../page.ts";

export const groupAll = defineProcedure({
  name: "group_all",
  key: "group_workflow_get_groups",
  namespace: "group",
  method: "getAll",
  description: "Lists all groups, or one page of them; returns 204 if there are none.",
  access: "user",
  input: () => z.object(pageFields),
  output: z.object({ groups: z.array(z.string()).describe("group names, sorted"), next }),
  example: { request: {}, reply: { groups: ["admin", "billing"] } },
  isEmpty: ({ groups }) => groups.length === 0,
  async handler({ db, lookups }, input) {
    const page = pageOf(input);
    if (page === undefined) return { groups: [...(await lookups.groups())] };
    const found = await pageOfGroups(db, page);
    return { groups: [...found.names], ...cursorOf(found) };
  },
});
