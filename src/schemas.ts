import { z } from "zod";
import { configSchema, SECTIONS } from "./config/schema.ts";
import { schemaSql } from "./db/migrate.ts";
import { ERRORS } from "./errors.ts";
import { PROCEDURES } from "./procedures/index.ts";
import { type Procedure, requestSchema } from "./rpc/procedure.ts";

const failure = z.object({
  resp_code: z.union(
    [...new Set(Object.values(ERRORS).map(({ resp }) => resp))]
      .sort((a, b) => a - b)
      .map((code) => z.literal(code)),
  ),
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

/** Every generated file of `schemas/` by its path in it: requests, replies, configuration and tables. */
export function generateSchemas(): ReadonlyMap<string, string> {
  const files = new Map<string, string>([
    ["config.json", json(z.toJSONSchema(configSchema, { io: "input" }))],
    ["sql/mysql.sql", schemaSql("mysql")],
    ["sql/sqlite.sql", schemaSql("sqlite")],
  ]);
  const app = SECTIONS.app_config.parse({});
  for (const procedure of PROCEDURES) {
    const { name, description } = procedure;
    const request = requestSchema(procedure, app).meta({ title: `${name}: request`, description });
    files.set(`rpc/${name}.request.json`, json(z.toJSONSchema(request, { io: "input" })));
    files.set(`rpc/${name}.reply.json`, json(z.toJSONSchema(replySchema(procedure))));
  }
  return files;
}

function replySchema(procedure: Procedure): z.ZodType {
  const codes = procedure.isEmpty === undefined ? z.literal(200) : z.literal([200, 204]);
  const success = z.object({ resp_code: codes, resp_data: procedure.output });
  return z.union([success, failure]).meta({ title: `${procedure.name}: reply` });
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
