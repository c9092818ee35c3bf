import type { FuzzCounts } from "./counts.ts";

/** Requests, replies and findings for each queue, as a table. */
export function renderFuzzTable({ lines, properties }: FuzzCounts): string {
  const codes = [...new Set([...lines.values()].flatMap((line) => [...line.codes.keys()]))].toSorted(
    (a, b) => a - b,
  );
  const head = ["queue", "inputs", ...codes.map((code) => (code === 0 ? "none" : String(code))), "findings"];
  const rows = [...lines].map(([queue, line]) => [
    queue,
    ...[line.inputs, ...codes.map((code) => line.codes.get(code) ?? 0), line.findings].map(format),
  ]);
  const inProcess = [...properties].map(([name, { runs, findings }]) => [
    name,
    format(runs),
    format(findings),
  ]);
  return [align([head, ...rows]), align([["in process", "inputs", "findings"], ...inProcess])].join("\n\n");
}

/** A one-line summary. */
export function fuzzSummary({ inputs, findings, lines, databases }: FuzzCounts, seed: number): string {
  const what = `${format(inputs)} inputs, ${lines.size} queues, ${databases.size} databases`;
  return `${what}, ${format(findings)} findings (seed ${seed})`;
}

function format(number: number): string {
  return number.toLocaleString("en");
}

function align(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join("  "),
    )
    .join("\n");
}
