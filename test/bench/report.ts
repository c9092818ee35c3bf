import { cpus, release, totalmem } from "node:os";
import { type BenchResult, isMet, medianOf, type Point } from "./findings.ts";
import { median } from "./load.ts";

/** The machine in one line. */
export function describeMachine(): string {
  const [first] = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  return `${cpus().length} x ${first?.model.trim() ?? "unknown processor"}, ${memory}, ${process.platform} ${release()}, Node ${process.versions.node}`;
}

const NAME_WIDTH = 39;
const WIDTHS = [6, 20, 5, 5, 6, 6, 8];

/** The measurements as a table for a terminal with 100 columns. */
export function tableOf(points: readonly Point[]): string {
  const heads = [
    row("", "in", "per second", "ms", "ms", "CPU us", "CPU us", "CPU us"),
    row("", "flight", "median (least-most)", "p50", "p99", "worker", "broker", "database"),
  ];
  return [...heads, ...points.map(rowOf)].join("\n");
}

/** The results and their targets. */
export function resultsOf(findings: readonly BenchResult[]): string {
  return findings
    .map((finding) => {
      const { name, value, unit, wanted } = finding;
      const [word, limit] = "atLeast" in wanted ? ["at least", wanted.atLeast] : ["at most", wanted.atMost];
      const shown = value === undefined ? "not measured" : `${show(value)}${unit}`;
      const status = value === undefined ? "" : isMet(finding) ? "met" : "NOT MET";
      return `${name.padEnd(58)} ${shown.padStart(8)}   ${`${word} ${limit}${unit}`.padEnd(15)} ${status}`;
    })
    .join("\n");
}

function rowOf(point: Point): string {
  const { workload, inFlight, samples } = point;
  const us = (value: number | undefined): string => (value === undefined ? "-" : value.toFixed(0));
  const rates = samples.map(({ perSecond }) => perSecond).sort((a, b) => a - b);
  return row(
    workload,
    String(inFlight),
    `${show(median(rates))} (${show(rates[0] ?? 0)}-${show(rates.at(-1) ?? 0)})`,
    show(medianOf(point, ({ p50 }) => p50) ?? 0),
    show(medianOf(point, ({ p99 }) => p99) ?? 0),
    us(medianOf(point, ({ cpu }) => cpu.worker)),
    us(medianOf(point, ({ cpu }) => cpu.broker)),
    us(medianOf(point, ({ cpu }) => cpu.database)),
  );
}

function row(...cells: readonly string[]): string {
  const [name = "", ...rest] = cells;
  return [name.padEnd(NAME_WIDTH), ...rest.map((cell, index) => cell.padStart(WIDTHS[index] ?? 0))].join(" ");
}

function show(value: number): string {
  return value < 10 ? value.toFixed(2) : value.toFixed(value < 100 ? 1 : 0);
}
