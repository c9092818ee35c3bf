import { z } from "zod";

type Named = Readonly<Record<string, object>>;

/** What one queue, or anything else that has an address, adds to the AsyncAPI document. */
export interface Fragment {
  readonly channels: Named;
  readonly operations: Named;
  readonly messages: Named;
  /** References to the messages that are sent to whoever asked. */
  readonly replies: Named;
}

/** All parts in one. */
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

/** A schema in the dialect of AsyncAPI, which is draft 7 of JSON Schema. */
export function toDraft7(schema: z.ZodType, io: "input" | "output"): Readonly<Record<string, unknown>> {
  const json = z.toJSONSchema(schema, { io, target: "draft-7" });
  delete json.$schema; // the document says it for all
  return json;
}
