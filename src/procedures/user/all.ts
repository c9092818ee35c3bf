import { z } from "zod";
import { pageOfUsernames } from "../../db/queries/pages.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { cursorOf, next, pageFields, pageOf } from "../page.ts";

export const userAll = defineProcedure({
  name: "user_all",
  key: "user_workflow_get_all",
  namespace: "user",
  method: "getAll",
  description: "Lists all usernames, or one page of them; returns 204 if there are none.",
  access: "user",
  input: () => z.object(pageFields),
  output: z.object({ users: z.array(z.string()).describe("usernames, sorted"), next }),
  example: { request: {}, reply: { users: ["alice", "bob-the-builder"] } },
  isEmpty: ({ users }) => users.length === 0,
  async handler({ db, lookups }, input) {
    const page = pageOf(input);
    if (page === undefined) return { users: [...(await lookups.usernames())] };
    const found = await pageOfUsernames(db, page);
    return { users: [...found.names], ...cursorOf(found) };
  },
});
