import { z } from "zod";

type Named = Readonly<Record<string, object>>;

/** A part of the AsyncAPI document, for one queue or exchange. */
export interface Fragment {
  readonly channels: Named;
  readonly operations: Named;
  readonly messages: Named;
  /** References to reply messages. */
  readonly replies: Named;
}

/** Merges fragments. */
export function mergeFragments(parts: readonly Fragment[]): Fragment {
  const merge = (key: keyof Fragment): Named =>
    Object.fromEntries(parts.flatMap((part) => Object.entries(part[key])));
  return {
    channels: merge("channels"),
    operations: merge("operations"),
    messages: merge("messages"),
    replies: merge("replies"),
  };
}

/** Converts a schema to JSON Schema draft 7, which AsyncAPI uses. */
export function toDraft7(schema: z.ZodType, io: "input" | "output"): Readonly<Record<string, unknown>> {
  const json = z.toJSONSchema(schema, { io, target: "draft-7" });
  delete json.$schema; // the AsyncAPI document defines it
  return json;
}
