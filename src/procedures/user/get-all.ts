import { z } from "zod";
import { defineProcedure } from "../../rpc/procedure.ts";

export const getAllUsers = defineProcedure({
  name: "user_all",
  description: "Lists all usernames; 204 when there are none.",
  access: "user",
  input: () => z.object({}),
  output: z.object({ users: z.array(z.string()) }),
  example: { request: {}, reply: { users: ["alice", "bob-the-builder"] } },
  isEmpty: ({ users }) => users.length === 0,
  async handler({ lookups }) {
    return { users: [...(await lookups.usernames())] };
  },
});
