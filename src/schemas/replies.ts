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
    challenge: z
      .string()
      .optional()
      .describe("challenge for `login_continue`, valid for 5 minutes (SECOND_FACTOR_REQUIRED)"),
    methods: z
      .array(z.enum(["totp", "passkey", "recovery_code"]))
      .optional()
      .describe("second factors that the account can answer with (SECOND_FACTOR_REQUIRED)"),
    passkey_options: z
      .record(z.string(), z.unknown())
      .optional()
      .describe("options for `navigator.credentials.get`, in JSON form (SECOND_FACTOR_REQUIRED)"),
    setup_token: z
      .string()
      .optional()
      .describe("token for enrolment only, valid for 15 minutes (SECOND_FACTOR_SETUP_REQUIRED)"),
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
