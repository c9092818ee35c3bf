import { cpus, release, totalmem } from "node:os";
import { type Finding, isMet, medianOf, type Point } from "./findings.ts";
import { spread } from "./load.ts";

/** The machine in one line, for whoever compares. */
export function describeMachine(): string {
  const [first] = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  return `${cpus().length} x ${first?.model.trim() ?? "unknown processor"}, ${memory}, ${process.platform} ${release()}, Node ${process.versions.node}`;
}

/** What was measured, as a table for a terminal of 100 columns. */
export function tableOf(points: readonly Point[]): string {
  const head = row(
    "",
    "in flight",
    "per second: median (least, most)",
    "p50 ms",
    "p99 ms",
    "CPU us: worker",
    "broker",
    "database",
  );
  return [head, ...points.map(rowOf)].join("\n");
}

/** What was found, and what is wanted. */
export function verdictsOf(findings: readonly Finding[]): string {
  return findings
    .map((finding) => {
      const { name, value, unit, wanted } = finding;
      const [word, limit] = "atLeast" in wanted ? ["at least", wanted.atLeast] : ["at most", wanted.atMost];
      const shown = value === undefined ? "not measured" : `${show(value)}${unit}`;
      const verdict = value === undefined ? "" : isMet(finding) ? "met" : "NOT MET";
      return `${name.padEnd(56)} ${shown.padStart(12)}   ${`${word} ${limit}${unit}`.padEnd(16)} ${verdict}`;
    })
    .join("\n");
}

function rowOf(point: Point): string {
  const { workload, inFlight, samples } = point;
  const us = (value: number | undefined): string => (value === undefined ? "-" : value.toFixed(0));
  return row(
    workload,
    String(inFlight),
    spread(
      samples.map(({ perSecond }) => perSecond),
      "",
    ).replace("  ", " "),
    show(medianOf(point, ({ p50 }) => p50) ?? 0),
    show(medianOf(point, ({ p99 }) => p99) ?? 0),
    us(medianOf(point, ({ cpu }) => cpu.worker)),
    us(medianOf(point, ({ cpu }) => cpu.broker)),
    us(medianOf(point, ({ cpu }) => cpu.database)),
  );
}

function row(...cells: readonly string[]): string {
  const [name = "", ...rest] = cells;
  const widths = [10, 34, 8, 8, 15, 7, 9];
  return [name.padEnd(44), ...rest.map((cell, index) => cell.padStart(widths[index] ?? 8))].join(" ");
}

function show(value: number): string {
  return value < 10 ? value.toFixed(2) : value.toFixed(value < 100 ? 1 : 0);
}
