import { parseJson } from "../../config/json.ts";
import type { Entry, LineFormat } from "./format.ts";
import { REFUSED } from "./format.ts";
import type { Line } from "./lines.ts";

/** A user has lists, and no more levels than that. */
const MAX_DEPTH = 8;

/** Lines each of which is a JSON object. */
export function jsonlFormat(): LineFormat {
  return {
    read: (lines) => lines.map(toEntry),
    end: () => undefined,
    refused({ number, text, ...entry }, reason) {
      const content = "value" in entry ? entry.value : { text };
      return `${JSON.stringify({ ...content, [REFUSED]: `line ${number}: ${reason}` })}\n`;
    },
  };
}

function toEntry(line: Line): Entry {
  const { number } = line;
  if ("fault" in line) return { number, text: "", fault: line.fault };
  const { text } = line;
  const value = tryParse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { number, text, fault: "is not a JSON object, or names a member twice" };
  // What is null in another system's export is not said.
  return { number, text, value: Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null)) };
}

function tryParse(text: string): unknown {
  try {
    return parseJson(text, MAX_DEPTH);
  } catch {
    return undefined;
  }
}
