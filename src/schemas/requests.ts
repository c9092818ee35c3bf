import { z } from "zod";
import type { AppConfig } from "../config/schema.ts";
import { type Procedure, requestSchema } from "../rpc/procedure.ts";

type Schema = z.core.JSONSchema.JSONSchema;

/** The JSON Schema of a request; optional fields may be `null`, which means absent. */
export function requestJsonSchema(
  procedure: Procedure,
  app: AppConfig,
  target: "draft-2020-12" | "draft-7" = "draft-2020-12",
): Schema {
  const json: Schema = z.toJSONSchema(requestSchema(procedure, app), { io: "input", target });
  const { properties = {}, required = [] } = json;
  for (const [name, field] of Object.entries(properties))
    if (!required.includes(name) && typeof field === "object") properties[name] = orNull(field);
  for (const alternative of [...(json.anyOf ?? []), ...(json.oneOf ?? [])]) forbidNulls(alternative);
  return json;
}

function orNull(field: Schema): Schema {
  if (typeof field.type !== "string" || field.const !== undefined)
    return { anyOf: [field, { type: "null" }] };
  const values = field.enum === undefined ? {} : { enum: [...field.enum, null] };
  return { ...field, ...values, type: [field.type, "null"] };
}

/** Forbids `null` for the required fields of an alternative. */
function forbidNulls(alternative: Schema): void {
  const isThere = (name: string) => [name, { not: { type: "null" } }] as const;
  const { required = [] } = alternative;
  alternative.properties = { ...alternative.properties, ...Object.fromEntries(required.map(isThere)) };
}
