import { z } from "zod";
import { ERRORS } from "../errors.ts";
import type { Procedure } from "../rpc/procedure.ts";

/** An error reply, the same for all queues. */
export const failure = z.object({
  resp_code: z.literal([...new Set(Object.values(ERRORS).map(({ resp }) => resp))]),
  resp_data: z.object({
    msg: z.string().describe("error in one English sentence"),
    error: z.enum(Object.keys(ERRORS)),
    fields: z
      .array(z.object({ path: z.string(), msg: z.string() }))
      .optional()
      .describe("invalid fields (400)"),
    reference: z.string().optional().describe("reference to search for in the service's log (500)"),
    retry_after: z.int().positive().optional().describe("seconds to wait before a retry (429)"),
  }),
});

/** A success reply. */
export function successSchema({ isEmpty, output }: Pick<Procedure, "isEmpty" | "output">): z.ZodObject {
  const codes = isEmpty === undefined ? z.literal(200) : z.literal([200, 204]);
  return z.object({ resp_code: codes, resp_data: output });
}

/** All replies of a queue. */
export function replySchema(procedure: Procedure): z.ZodType {
  return z.union([successSchema(procedure), failure]).meta({ title: `${procedure.name}: reply` });
}
