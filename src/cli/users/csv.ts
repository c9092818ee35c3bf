import { parse } from "csv-parse/sync";
import { stringify } from "csv-stringify/sync";
import { toPrintable } from "../../observability/printable.ts";
import { ExitError } from "../exit.ts";
import { FIELDS, type FileFormat, type FileRecord, REFUSED, unreadable } from "./format.ts";
import type { Line } from "./lines.ts";

/** Separates groups in one cell. */
export const GROUP_SEPARATOR = ";";

/** CSV (RFC 4180) with column names in the first line. Each line is one record: cells contain no line breaks. */
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
        return ["error" in line ? unreadable(line) : { ...line, ...contentOf(rows[index], columns) }];
      });
    },
    end() {
      if (columns === undefined)
        throw new ExitError(2, "the file is empty: the first line must name the columns");
    },
    refused({ number, text, ...record }, reason) {
      const message = `line ${number}: ${reason}`;
      const names = (columns ?? []).filter((column) => column !== REFUSED);
      const header = isHeaderWritten ? "" : csvRow([...names, REFUSED]);
      isHeaderWritten = true;
      // Splitting a line into cells does not depend on its encoding, and changes no byte.
      const [cells] = parseLines([text]);
      const place = columns?.indexOf(REFUSED) ?? -1;
      if (cells !== undefined && cells.length === columns?.length) {
        if (place < 0) return `${header}${text},${csvRow([message])}`;
        if ("value" in record) return header + csvRow([...cells.toSpliced(place, 1), message]);
        // The line already contains the reason of an earlier import in the last column.
        if (place === names.length) return `${header}${text}\n`;
      }
      // A line that cannot be split into the columns goes into the first cell as a whole.
      return header + csvRow(names.map((_, index) => (index === 0 ? text : "")).concat(message));
    },
  };
}

/** One line of CSV; cells are quoted where necessary. */
export function csvRow(cells: readonly string[]): string {
  return stringify([cells]);
}

/**
 * The cells of each line; undefined if it is not CSV. The messages of csv-parse are not used: they quote the file,
 * which contains password hashes.
 */
function parseLines(lines: readonly string[]): (string[] | undefined)[] {
  try {
    const text = lines.map((line) => `${line}\n`).join("");
    const rows = parse(text, { record_delimiter: "\n", relax_column_count: true });
    if (rows.length === lines.length) return rows;
  } catch {
    // Parse line by line below.
  }
  if (lines.length === 1) return [undefined];
  // An unclosed quote swallows the next lines: parse each line by itself.
  return lines.flatMap((line) => parseLines([line]));
}

function contentOf(
  cells: readonly string[] | undefined,
  columns: readonly string[],
): { error: string } | { value: Record<string, unknown> } {
  if (cells === undefined) return { error: "is not valid CSV: a quote is missing or extra" };
  if (cells.length !== columns.length)
    return { error: `has ${cells.length} cells, but the first line names ${columns.length} columns` };
  const fields = columns.map((column, index) => [column, valueOf(column, cells[index] ?? "")] as const);
  return { value: Object.fromEntries(fields.filter(([, value]) => value !== undefined)) };
}

/** An empty cell means that the field is absent. */
function valueOf(column: string, cell: string): unknown {
  if (cell === "") return undefined;
  if (column === "groups") return cell.split(GROUP_SEPARATOR);
  if (column !== "activated") return cell;
  if (/^(?:true|1)$/i.test(cell)) return true;
  return /^(?:false|0)$/i.test(cell) ? false : cell;
}

function columnsOf(line: Line, cells: readonly string[] | undefined): readonly string[] {
  const fail = (error: string): never => {
    throw new ExitError(2, error);
  };
  const known = `the first line names columns, separated by commas; possible are ${FIELDS.join(", ")}`;
  if ("error" in line)
    return fail(`the first line ${line.error}${line.bytes === undefined ? "" : ": save the file in UTF-8"}`);
  if (cells === undefined) return fail("the first line is not valid CSV: a quote is missing or extra");
  const columns: readonly string[] = [...FIELDS, REFUSED];
  const unknown = cells.find((name) => !columns.includes(name));
  if (unknown === "password")
    return fail(`passwords are not accepted: hash them, and use the column password_hash; ${known}`);
  if (unknown !== undefined)
    return fail(`unknown column ${toPrintable(JSON.stringify(unknown.slice(0, 50)))}: ${known}`);
  const double = cells.find((name, index) => cells.indexOf(name) !== index);
  if (double !== undefined) return fail(`the first line names the column ${double} twice`);
  const missing = ["username", "email"].find((name) => !cells.includes(name));
  return missing === undefined ? cells : fail(`the column ${missing} is missing: ${known}`);
}
