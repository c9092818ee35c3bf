import { z } from "zod";
import { ERRORS } from "../errors.ts";
import type { Procedure } from "../rpc/procedure.ts";

/** The reply of a request that failed, whatever its queue. */
export const failure = z.object({
  resp_code: z.literal([...new Set(Object.values(ERRORS).map(({ resp }) => resp))]),
  resp_data: z.object({
    msg: z.string().describe("one English sentence"),
    error: z.enum(Object.keys(ERRORS)),
    fields: z
      .array(z.object({ path: z.string(), msg: z.string() }))
      .optional()
      .describe("what is wrong with which field (400)"),
    reference: z.string().optional().describe("stands in the service's log (500)"),
    retry_after: z.int().positive().optional().describe("seconds to wait (429)"),
  }),
});

/** The reply of a request that was done. */
export function successSchema({ isEmpty, output }: Pick<Procedure, "isEmpty" | "output">): z.ZodObject {
  const codes = isEmpty === undefined ? z.literal(200) : z.literal([200, 204]);
  return z.object({ resp_code: codes, resp_data: output });
}

/** Every reply that a queue may give. */
export function replySchema(procedure: Procedure): z.ZodType {
  return z.union([successSchema(procedure), failure]).meta({ title: `${procedure.name}: reply` });
}
