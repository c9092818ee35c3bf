import { parse } from "csv-parse/sync";
import { stringify } from "csv-stringify/sync";
import { toPrintable } from "../../observability/printable.ts";
import { ExitError } from "../exit.ts";
import { type Entry, FIELDS, type LineFormat, REFUSED, unreadable } from "./format.ts";
import type { Line } from "./lines.ts";

/** Between groups of one cell. */
export const GROUP_SEPARATOR = ";";

const COLUMNS: readonly string[] = [...FIELDS, REFUSED];

type TextLine = Extract<Line, { text: string }>;

/** Lines of CSV (RFC 4180) of which the first one names the columns. A line is a record: no cell holds a line break. */
export function csvFormat(): LineFormat {
  let columns: readonly string[] | undefined;
  const toEntry = ({ number, text }: TextLine, cells: readonly string[] | undefined): Entry[] => {
    if (columns === undefined) {
      columns = columnsOf(cells);
      return [];
    }
    if (cells === undefined) return [{ number, text, fault: "is not CSV: a quote is missing or too much" }];
    if (cells.length !== columns.length) {
      const fault = `has ${cells.length} cells, and the first line names ${columns.length} columns`;
      return [{ number, text, fault }];
    }
    const named = columns.flatMap((column, index) => {
      const value = valueOf(column, cells[index] ?? "");
      return value === undefined ? [] : [[column, value] as const];
    });
    return [{ number, text, value: Object.fromEntries(named) }];
  };
  let isHeaderWritten = false;
  return {
    read(lines) {
      const texts = lines.filter((line) => "text" in line);
      const cells = new Map(parseAll(texts.map(({ text }) => text)).map((row, index) => [texts[index], row]));
      return lines.flatMap((line): Entry[] => {
        if ("text" in line) return toEntry(line, cells.get(line));
        if (columns === undefined) {
          const advice = line.bytes === undefined ? "" : ": save the file in UTF-8";
          throw new ExitError(2, `the first line ${line.fault}${advice}`);
        }
        return [unreadable(line)];
      });
    },
    end() {
      if (columns === undefined) throw new ExitError(2, "the file has no line that names the columns");
    },
    refused({ number, text, ...entry }, reason) {
      const names = (columns ?? []).filter((column) => column !== REFUSED);
      const header = isHeaderWritten ? "" : csvRow([...names, REFUSED]);
      isHeaderWritten = true;
      const told = `line ${number}: ${reason}`;
      // Its cells can be taken apart without knowing its encoding, and none of its bytes is changed.
      const own = "encoding" in entry ? tryParse(text)?.[0] : undefined;
      const isWhole = own !== undefined && own.length === columns?.length;
      if (isWhole && names.length === columns?.length) return `${header}${text},${csvRow([told])}`;
      // It has the reason of an earlier import, in the same place.
      if (isWhole && columns?.at(-1) === REFUSED) return `${header}${text}\n`;
      const cells = names.map((name, index) => {
        // What cannot be taken apart stands in the first cell, so that nothing is lost.
        if (!("value" in entry)) return index === 0 ? text : "";
        const value = entry.value[name];
        if (Array.isArray(value)) return value.join(GROUP_SEPARATOR);
        return typeof value === "string" || typeof value === "boolean" ? String(value) : "";
      });
      return header + csvRow([...cells, told]);
    },
  };
}

/** One line of CSV; a cell is quoted where it has to be. */
export function csvRow(cells: readonly string[]): string {
  return stringify([cells]);
}

/** The cells of each line; undefined where it is no CSV. */
function parseAll(texts: readonly string[]): (string[] | undefined)[] {
  const rows = tryParse(texts.join("\n"));
  // A quote that is not closed takes the next lines into its cell: then each line is looked at by itself.
  if (rows?.length === texts.length) return rows;
  return texts.map((text) => tryParse(text)?.[0]);
}

/** csv-parse's own messages repeat what stands in the file, and there are hashes in it. */
function tryParse(text: string): string[][] | undefined {
  try {
    return parse(text, { record_delimiter: "\n", relax_column_count: true });
  } catch {
    return undefined;
  }
}

function columnsOf(cells: readonly string[] | undefined): readonly string[] {
  if (cells === undefined)
    throw new ExitError(2, "the first line is not CSV: a quote is missing or too much");
  const unknown = cells.find((name) => !COLUMNS.includes(name));
  const known = `the first line names the columns, which may be ${FIELDS.join(", ")}, separated by commas`;
  if (unknown === "password")
    throw new ExitError(2, `passwords are not taken: hash them first, and give password_hash; ${known}`);
  if (unknown !== undefined)
    throw new ExitError(2, `unknown column ${toPrintable(JSON.stringify(unknown.slice(0, 50)))}: ${known}`);
  const double = cells.find((name, index) => cells.indexOf(name) !== index);
  if (double !== undefined) throw new ExitError(2, `the column ${double} stands twice in the first line`);
  for (const name of ["username", "email"])
    if (!cells.includes(name)) throw new ExitError(2, `the column ${name} is missing: ${known}`);
  return cells;
}

/** An empty cell says nothing. */
function valueOf(column: string, cell: string): unknown {
  if (cell === "") return undefined;
  if (column === "groups") return cell.split(GROUP_SEPARATOR);
  if (column !== "activated") return cell;
  if (/^(?:true|1)$/i.test(cell)) return true;
  return /^(?:false|0)$/i.test(cell) ? false : cell;
}
