import { z } from "zod";
import { configSchema, SECTIONS } from "./config/schema.ts";
import { schemaSql } from "./db/migrate.ts";
import { PROCEDURES } from "./procedures/index.ts";
import { answeredQueue } from "./schemas/answered-queue.ts";
import { asyncApi } from "./schemas/asyncapi.ts";
import { publishedEvents } from "./schemas/published-events.ts";
import { replySchema } from "./schemas/replies.ts";
import { requestJsonSchema } from "./schemas/requests.ts";
import { workflowTypes } from "./schemas/typescript.ts";

/** Generates all files of `schemas/`, by path: AsyncAPI, JSON Schemas, types and SQL. */
export function generateSchemas(): ReadonlyMap<string, string> {
  const app = SECTIONS.app_config.parse({});
  const files = new Map<string, string>([
    [
      "asyncapi.yaml",
      asyncApi([...PROCEDURES.map((procedure) => answeredQueue(procedure, app)), publishedEvents()]),
    ],
    ["config.json", json(z.toJSONSchema(configSchema, { io: "input" }))],
    ["sql/mysql.sql", schemaSql("mysql")],
    ["sql/sqlite.sql", schemaSql("sqlite")],
    ["workflows.d.ts", workflowTypes(PROCEDURES, app)],
  ]);
  for (const procedure of PROCEDURES) {
    const { name, description } = procedure;
    const request = { ...requestJsonSchema(procedure, app), title: `${name}: request`, description };
    files.set(`rpc/${name}.request.json`, json(request));
    files.set(`rpc/${name}.reply.json`, json(z.toJSONSchema(replySchema(procedure))));
  }
  return files;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
