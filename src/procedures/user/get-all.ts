import { z } from "zod";
import { listUsernames } from "../../db/queries/users.ts";
import { defineProcedure } from "../../rpc/procedure.ts";

export const getAllUsers = defineProcedure({
  name: "user_all",
  description: "Lists all usernames; 204 when there are none.",
  access: "user",
  input: () => z.object({}),
  output: z.object({ users: z.array(z.string()) }),
  isEmpty: ({ users }) => users.length === 0,
  async handler({ db }) {
    return { users: await listUsernames(db) };
  },
});
