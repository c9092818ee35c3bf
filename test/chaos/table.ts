import { readFileSync, writeFileSync } from "node:fs";
import { parseSelection } from "../support/servers/selection.ts";
import type { ScenarioResult } from "./scenario.ts";

const BEGIN = "<!-- chaos: begin -->";
const END = "<!-- chaos: end -->";

const HEAD = ["fault", "database", "sent", "answered", "retried", "repeated", "lost", "doubled", "recovery"];

/** The results as a Markdown table, with totals in the last row. */
export function renderTable(results: readonly ScenarioResult[]): string {
  const sum = (of: (result: ScenarioResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  const slowest = Math.max(...results.map(({ recovery }) => recovery ?? Infinity));
  const rows = [
    ...results.map((result) => [
      result.fault,
      result.database === "mysql" ? parseSelection().database.product : "SQLite",
      ...numbers((of) => of(result)),
      result.recovery?.toFixed(1) ?? "-",
    ]),
    ["total", "", ...numbers(sum), `at most ${slowest.toFixed(1)}`],
  ];
  return [HEAD, HEAD.map((_, column) => (column < 2 ? "---" : "--:")), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

/** Replaces the table between its two markers in a document. */
export function writeTable(file: string, table: string): void {
  const text = readFileSync(file, "utf8");
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`${file} has no ${BEGIN} and ${END}`);
  writeFileSync(file, `${before}${BEGIN}\n${table}\n${END}${after}`);
}

function numbers(read: (of: (result: ScenarioResult) => number) => number): string[] {
  const lost = (kind: "lost" | "doubled") => (result: ScenarioResult) =>
    result.violations.filter((violation) => violation.kind === kind).length;
  return [
    read(({ sent }) => sent),
    read(({ answered }) => answered),
    read(({ retried }) => retried),
    read(({ repeated }) => repeated),
    read(lost("lost")),
    read(lost("doubled")),
  ].map(String);
}
