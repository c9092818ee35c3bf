import { z } from "zod";
import { defineProcedure } from "../../rpc/procedure.ts";

export const getAllGroups = defineProcedure({
  name: "group_all",
  description: "Lists all groups; 204 when there are none.",
  access: "user",
  input: () => z.object({}),
  output: z.object({ groups: z.array(z.string()) }),
  example: { request: {}, reply: { groups: ["admin", "billing"] } },
  isEmpty: ({ groups }) => groups.length === 0,
  async handler({ lookups }) {
    return { groups: [...(await lookups.groups())] };
  },
});
