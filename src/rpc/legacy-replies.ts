import { z } from "zod";
import type { QueueName } from "../wire/queues.ts";
import type { Envelope } from "./envelope.ts";
import type { Procedure } from "./procedure.ts";

/** Workflows whose success is 201 in py_auth_micro. */
const CREATE: readonly QueueName[] = ["user_register", "user_admin_create"];

/** Converts a value of a reply. */
type Convert = (value: unknown) => unknown;

/**
 * Converts replies into those of py_auth_micro: 201 for new accounts, and times with microseconds and an offset, because
 * old versions of Python cannot read `Z`. The schemas say which texts are times.
 */
export function createLegacyReplies(
  procedures: readonly Procedure[],
): (queue: QueueName, reply: Envelope) => Envelope {
  const converters = new Map(procedures.map(({ name, output }) => [name, converterOf(output)]));
  return (queue, reply) => {
    const { resp_code: code, resp_data: data } = reply;
    if (code >= 400) return reply;
    const convert = converters.get(queue);
    return {
      resp_code: code === 200 && CREATE.includes(queue) ? 201 : code,
      // A converter of an object returns an object
      resp_data: convert === undefined ? data : (convert(data) as Envelope["resp_data"]),
    };
  };
}

/** The conversion of values of a schema; undefined if they contain no time. */
function converterOf(schema: z.core.$ZodType): Convert | undefined {
  if (schema instanceof z.ZodISODateTime) return toLegacyTime;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault)
    return converterOf(schema.unwrap());
  if (schema instanceof z.ZodArray) {
    const convert = converterOf(schema.element);
    return convert && ((value) => (Array.isArray(value) ? value.map(convert) : value));
  }
  // The data of an event: its schema depends on the type.
  if (schema instanceof z.ZodRecord) return convertMembers(() => toLegacyTimeOfEvent);
  if (!(schema instanceof z.ZodObject)) return undefined;
  const members = new Map(
    Object.entries<z.core.$ZodType>(schema.shape).map(([key, member]) => [key, converterOf(member)]),
  );
  return members.values().some((convert) => convert !== undefined)
    ? convertMembers((key) => members.get(key))
    : undefined;
}

function convertMembers(
  converter: (key: string) => ((value: unknown, key: string) => unknown) | undefined,
): Convert {
  return (value) =>
    typeof value === "object" && value !== null
      ? Object.fromEntries(
          Object.entries(value).map(([key, member]) => [key, converter(key)?.(member, key) ?? member]),
        )
      : value;
}

/** Times in the data of events; other members may have any text. */
function toLegacyTimeOfEvent(value: unknown, key: string): unknown {
  return /_(?:at|until)$/.test(key) ? toLegacyTime(value) : value;
}

/** `2026-11-29T10:00:00.123Z` as `2026-11-29T10:00:00.123000+00:00`. */
function toLegacyTime(value: unknown): unknown {
  if (typeof value !== "string") return value;
  const [, seconds, fraction = ""] = /^(.{19})(?:\.(\d+))?Z$/.exec(value) ?? [];
  return seconds === undefined ? value : `${seconds}.${fraction.padEnd(6, "0")}+00:00`;
}
