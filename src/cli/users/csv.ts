import { parse } from "csv-parse/sync";
import { stringify } from "csv-stringify/sync";
import { toPrintable } from "../../observability/printable.ts";
import { ExitError } from "../exit.ts";
import { FIELDS, type FileFormat, type FileRecord, REFUSED, unreadable } from "./format.ts";
import type { Line } from "./lines.ts";

/** Between groups of one cell. */
export const GROUP_SEPARATOR = ";";

/** CSV (RFC 4180) with the columns in its first line. A line is a record: no cell holds a line break. */
export function csvFormat(): FileFormat {
  let columns: readonly string[] | undefined;
  let isHeaderWritten = false;
  return {
    read(lines) {
      const rows = parseLines(lines.map((line) => ("text" in line ? line.text : "")));
      return lines.flatMap((line, index): FileRecord[] => {
        if (columns === undefined) {
          columns = columnsOf(line, rows[index]);
          return [];
        }
        return ["fault" in line ? unreadable(line) : { ...line, ...contentOf(rows[index], columns) }];
      });
    },
    end() {
      if (columns === undefined) throw new ExitError(2, "the file has no line that names the columns");
    },
    refused({ number, text, ...record }, reason) {
      const told = `line ${number}: ${reason}`;
      const names = (columns ?? []).filter((column) => column !== REFUSED);
      const header = isHeaderWritten ? "" : csvRow([...names, REFUSED]);
      isHeaderWritten = true;
      // A line can be split into cells without knowing its encoding, and none of its bytes is changed.
      const [cells] = parseLines([text]);
      const place = columns?.indexOf(REFUSED) ?? -1;
      if (cells !== undefined && cells.length === columns?.length) {
        if (place < 0) return `${header}${text},${csvRow([told])}`;
        if ("value" in record) return header + csvRow([...cells.toSpliced(place, 1), told]);
        // It has the reason of an earlier import, in the same place.
        if (place === names.length) return `${header}${text}\n`;
      }
      // What cannot be split into the columns stands in the first cell, so that nothing is lost.
      return header + csvRow(names.map((_, index) => (index === 0 ? text : "")).concat(told));
    },
  };
}

/** One line of CSV; a cell is quoted if it has to be. */
export function csvRow(cells: readonly string[]): string {
  return stringify([cells]);
}

/**
 * The cells of each line; undefined if it is not CSV. csv-parse's own messages are not used: they repeat what stands in
 * the file, and there are hashes in it.
 */
function parseLines(lines: readonly string[]): (string[] | undefined)[] {
  try {
    const text = lines.map((line) => `${line}\n`).join("");
    const rows = parse(text, { record_delimiter: "\n", relax_column_count: true });
    if (rows.length === lines.length) return rows;
  } catch {
    // Below.
  }
  if (lines.length === 1) return [undefined];
  // A quote that is not closed takes the next lines into its cell: then each line is parsed by itself.
  return lines.flatMap((line) => parseLines([line]));
}

function contentOf(
  cells: readonly string[] | undefined,
  columns: readonly string[],
): { fault: string } | { value: Record<string, unknown> } {
  if (cells === undefined) return { fault: "is not CSV: a quote is missing or too much" };
  if (cells.length !== columns.length)
    return { fault: `has ${cells.length} cells, and the first line names ${columns.length} columns` };
  const fields = columns.map((column, index) => [column, valueOf(column, cells[index] ?? "")] as const);
  return { value: Object.fromEntries(fields.filter(([, value]) => value !== undefined)) };
}

/** An empty cell says nothing. */
function valueOf(column: string, cell: string): unknown {
  if (cell === "") return undefined;
  if (column === "groups") return cell.split(GROUP_SEPARATOR);
  if (column !== "activated") return cell;
  if (/^(?:true|1)$/i.test(cell)) return true;
  return /^(?:false|0)$/i.test(cell) ? false : cell;
}

function columnsOf(line: Line, cells: readonly string[] | undefined): readonly string[] {
  const fail = (fault: string): never => {
    throw new ExitError(2, fault);
  };
  const known = `the first line names the columns, which may be ${FIELDS.join(", ")}, separated by commas`;
  if ("fault" in line)
    return fail(`the first line ${line.fault}${line.bytes === undefined ? "" : ": save the file in UTF-8"}`);
  if (cells === undefined) return fail("the first line is not CSV: a quote is missing or too much");
  const columns: readonly string[] = [...FIELDS, REFUSED];
  const unknown = cells.find((name) => !columns.includes(name));
  if (unknown === "password")
    return fail(`passwords are not taken: hash them first, and give password_hash; ${known}`);
  if (unknown !== undefined)
    return fail(`unknown column ${toPrintable(JSON.stringify(unknown.slice(0, 50)))}: ${known}`);
  const double = cells.find((name, index) => cells.indexOf(name) !== index);
  if (double !== undefined) return fail(`the column ${double} stands twice in the first line`);
  const missing = ["username", "email"].find((name) => !cells.includes(name));
  return missing === undefined ? cells : fail(`the column ${missing} is missing: ${known}`);
}
