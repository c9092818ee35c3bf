import { parseJson } from "../../wire/json.ts";
import { type FileFormat, REFUSED, unreadable } from "./format.ts";

/** Users contain lists of strings; deeper JSON is not parsed. */
const MAX_DEPTH = 8;

/** JSON Lines: each line is an object. */
export function jsonlFormat(): FileFormat {
  return {
    read: (lines) =>
      lines.map((line) => {
        if ("error" in line) return unreadable(line);
        const object = parseObject(line.text);
        if (object === undefined) return { ...line, error: "is not a JSON object, or has a duplicate key" };
        // Exports of other systems may write null for an absent field.
        const fields = Object.entries(object).filter(([, value]) => value !== null);
        return { ...line, value: Object.fromEntries(fields) };
      }),
    end: () => undefined,
    refused({ number, text, ...record }, reason) {
      const refusal = { [REFUSED]: `line ${number}: ${reason}` };
      const object = parseObject(text);
      if (object === undefined) return `${JSON.stringify({ text, ...refusal })}\n`;
      if ("value" in record) return `${JSON.stringify({ ...record.value, ...refusal })}\n`;
      // The line already contains the reason of an earlier import.
      if (Object.hasOwn(object, REFUSED)) return `${text}\n`;
      // Valid JSON except for its encoding: insert the reason before the last brace, and keep all other bytes.
      const comma = Object.keys(object).length === 0 ? "" : ",";
      return `${text.replace(/\}\s*$/, "")}${comma}${JSON.stringify(refusal).slice(1)}\n`;
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
