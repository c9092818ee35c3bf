import { readFileSync, writeFileSync } from "node:fs";
import type { ScenarioResult } from "./scenario.ts";

const HEAD = ["fault", "database", "sent", "answered", "retried", "repeated", "lost", "doubled", "recovery"];

/** The results as a Markdown table, with totals in the last row. `server` is the product of the database server. */
export function renderTable(results: readonly ScenarioResult[], server: string): string {
  const sum = (of: (result: ScenarioResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  const slowest = Math.max(...results.map(({ recovery }) => recovery ?? Infinity));
  const rows = [
    ...results.map((result) => [
      result.fault,
      result.database === "mysql" ? server : "SQLite",
      ...numbers((of) => of(result)),
      result.recovery?.toFixed(1) ?? "-",
    ]),
    ["total", "", ...numbers(sum), `at most ${slowest.toFixed(1)}`],
  ];
  return [HEAD, HEAD.map((_, column) => (column < 2 ? "---" : "--:")), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

/** Replaces the table between the two markers of this name in a document. */
export function writeTable(file: string, table: string, name: string): void {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const text = readFileSync(file, "utf8");
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${file} has no ${begin} and ${end}`);
  writeFileSync(file, `${before}${begin}\n${table}\n${end}${after}`);
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
