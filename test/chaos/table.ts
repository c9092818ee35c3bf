import { readFileSync, writeFileSync } from "node:fs";
import type { ScenarioResult } from "./scenario.ts";

const BEGIN = "<!-- chaos: begin -->";
const END = "<!-- chaos: end -->";

const HEAD = ["fault", "database", "sent", "answered", "retried", "repeated", "lost", "doubled", "recovery"];

/** The outcomes as a table in Markdown, with a last line of totals. */
export function renderTable(outcomes: readonly ScenarioResult[]): string {
  const sum = (of: (outcome: ScenarioResult) => number): number =>
    outcomes.reduce((total, outcome) => total + of(outcome), 0);
  const slowest = Math.max(...outcomes.map(({ recovery }) => recovery ?? Infinity));
  const rows = [
    ...outcomes.map((outcome) => [
      outcome.fault,
      outcome.database === "mariadb" ? "MariaDB" : "SQLite",
      ...numbers((of) => of(outcome)),
      outcome.recovery?.toFixed(1) ?? "-",
    ]),
    ["total", "", ...numbers(sum), `at most ${slowest.toFixed(1)}`],
  ];
  return [HEAD, HEAD.map((_, column) => (column < 2 ? "---" : "--:")), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

/** Puts the table between its two marks in a document, in place of the earlier one. */
export function writeTable(file: string, table: string): void {
  const text = readFileSync(file, "utf8");
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`${file} has no ${BEGIN} and ${END}`);
  writeFileSync(file, `${before}${BEGIN}\n${table}\n${END}${after}`);
}

function numbers(read: (of: (outcome: ScenarioResult) => number) => number): string[] {
  const lost = (kind: "lost" | "doubled") => (outcome: ScenarioResult) =>
    outcome.violations.filter((violation) => violation.kind === kind).length;
  return [
    read(({ sent }) => sent),
    read(({ answered }) => answered),
    read(({ retried }) => retried),
    read(({ repeated }) => repeated),
    read(lost("lost")),
    read(lost("doubled")),
  ].map(String);
}
