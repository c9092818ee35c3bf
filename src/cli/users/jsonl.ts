import { parseJson } from "../../wire/json.ts";
import { type Entry, type LineFormat, REFUSED, unreadable } from "./format.ts";
import type { Line } from "./lines.ts";

/** A user has lists, and no more levels than that. */
const MAX_DEPTH = 8;

/** Lines each of which is a JSON object. */
export function jsonlFormat(): LineFormat {
  return {
    read: (lines) => lines.map(toEntry),
    end: () => undefined,
    refused({ number, text, ...entry }, reason) {
      if ("encoding" in entry && tryParse(text) !== undefined)
        return refusedBytes(text, `line ${number}: ${reason}`);
      const content = "value" in entry ? entry.value : { text };
      return `${JSON.stringify({ ...content, [REFUSED]: `line ${number}: ${reason}` })}\n`;
    },
  };
}

function toEntry(line: Line): Entry {
  const { number } = line;
  if ("fault" in line) return unreadable(line);
  const { text } = line;
  const value = tryParse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { number, text, fault: "is not a JSON object, or names a member twice" };
  // What is null in another system's export is not said.
  return { number, text, value: Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null)) };
}

/** A line that is JSON, were it in another encoding: the reason goes before its last brace, and all else stays. */
function refusedBytes(text: string, reason: string): string {
  const value = tryParse(text);
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject) return `${JSON.stringify({ text, [REFUSED]: reason })}\n`;
  // It has the reason of an earlier import.
  if (Object.hasOwn(value, REFUSED)) return `${text}\n`;
  const comma = Object.keys(value).length === 0 ? "" : ",";
  return `${text.replace(/\}\s*$/, "")}${comma}${JSON.stringify(REFUSED)}:${JSON.stringify(reason)}}\n`;
}

function tryParse(text: string): unknown {
  try {
    return parseJson(text, MAX_DEPTH);
  } catch {
    return undefined;
  }
}
