import { parseJson } from "../../wire/json.ts";
import { type FileFormat, REFUSED, unreadable } from "./format.ts";

/** A user has lists, and no more levels than that. */
const MAX_DEPTH = 8;

/** JSON lines: each line is an object. */
export function jsonlFormat(): FileFormat {
  return {
    read: (lines) =>
      lines.map((line) => {
        if ("fault" in line) return unreadable(line);
        const object = parseObject(line.text);
        if (object === undefined) return { ...line, fault: "is not a JSON object, or names a member twice" };
        // What is null in another system's export is not said.
        const fields = Object.entries(object).filter(([, value]) => value !== null);
        return { ...line, value: Object.fromEntries(fields) };
      }),
    end: () => undefined,
    refused({ number, text, ...record }, reason) {
      const told = { [REFUSED]: `line ${number}: ${reason}` };
      const object = parseObject(text);
      if (object === undefined) return `${JSON.stringify({ text, ...told })}\n`;
      if ("value" in record) return `${JSON.stringify({ ...record.value, ...told })}\n`;
      // It has the reason of an earlier import.
      if (Object.hasOwn(object, REFUSED)) return `${text}\n`;
      // It is JSON but for its encoding: the reason goes before its last brace, and all other bytes stay.
      const comma = Object.keys(object).length === 0 ? "" : ",";
      return `${text.replace(/\}\s*$/, "")}${comma}${JSON.stringify(told).slice(1)}\n`;
    },
  };
}

function parseObject(text: string): object | undefined {
  try {
    const value = parseJson(text, MAX_DEPTH);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
