import { median } from "./load.ts";
import type { Sample } from "./setup.ts";

/** A ratio or a size, and its target. */
export interface BenchResult {
  readonly name: string;
  /** Undefined if it could not be measured. */
  readonly value: number | undefined;
  readonly unit: "" | " MB" | " s";
  readonly wanted: { readonly atLeast: number } | { readonly atMost: number };
}

/** All samples of one workload at one load. */
export interface Point {
  readonly workload: string;
  readonly inFlight: number;
  readonly samples: readonly Sample[];
}

/** Whether a result meets its target; true if it was not measured. */
export function isMet({ value, wanted }: BenchResult): boolean {
  if (value === undefined) return true;
  return "atLeast" in wanted ? value >= wanted.atLeast : value <= wanted.atMost;
}

/** Whether a result misses its target by a factor of three: the noise of a busy shared machine reached 2.9 (p99). */
export function isBroken({ value, wanted }: BenchResult): boolean {
  if (value === undefined) return false;
  return "atLeast" in wanted ? value < wanted.atLeast / 3 : value > wanted.atMost * 3;
}

/** Groups samples by workload and load, in the order of their first occurrence. */
export function pointsOf(samples: readonly Sample[]): Point[] {
  const groups = Map.groupBy(samples, ({ workload, inFlight }) => `${workload} ${inFlight}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    return first === undefined
      ? []
      : [{ workload: first.workload, inFlight: first.inFlight, samples: group }];
  });
}

/** The median of a metric; undefined if a sample lacks it. */
export function medianOf(
  point: Point | undefined,
  metric: (sample: Sample) => number | undefined,
): number | undefined {
  const values = point?.samples.map(metric).filter((value) => value !== undefined) ?? [];
  return values.length === 0 || values.length < (point?.samples.length ?? 0) ? undefined : median(values);
}

/** The ratio of two workloads' medians at one load. */
export function ratio(
  points: readonly Point[],
  [workload, baseline]: readonly [string, string],
  inFlight: number,
  metric: (sample: Sample) => number | undefined,
): number | undefined {
  const find = (name: string): Point | undefined =>
    points.find((point) => point.workload === name && point.inFlight === inFlight);
  const [above, below] = [workload, baseline].map((name) => medianOf(find(name), metric));
  return above === undefined || below === undefined || below === 0 ? undefined : above / below;
}
