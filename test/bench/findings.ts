import { median } from "./load.ts";
import type { Sample } from "./setup.ts";

/** A ratio or a size, and what it is to be. */
export interface BenchResult {
  readonly name: string;
  /** Undefined where it could not be measured here. */
  readonly value: number | undefined;
  readonly unit: "" | " MB" | " s";
  readonly wanted: { readonly atLeast: number } | { readonly atMost: number };
}

/** Some samples of one workload at one load. */
export interface Point {
  readonly workload: string;
  readonly inFlight: number;
  readonly samples: readonly Sample[];
}

/** Whether a finding is as it is to be; true as well where nothing was measured. */
export function isMet({ value, wanted }: BenchResult): boolean {
  if (value === undefined) return true;
  return "atLeast" in wanted ? value >= wanted.atLeast : value <= wanted.atMost;
}

/** Whether a finding is so far off that no noise of a shared machine explains it: by a factor of two. */
export function isBroken({ value, wanted }: BenchResult): boolean {
  if (value === undefined) return false;
  return "atLeast" in wanted ? value < wanted.atLeast / 2 : value > wanted.atMost * 2;
}

/** Samples of one workload at one load together, in the order in which they first came. */
export function pointsOf(samples: readonly Sample[]): Point[] {
  const groups = Map.groupBy(samples, ({ workload, inFlight }) => `${workload} ${inFlight}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    return first === undefined
      ? []
      : [{ workload: first.workload, inFlight: first.inFlight, samples: group }];
  });
}

/** The median of something that samples tell; undefined where one of them does not. */
export function medianOf(
  point: Point | undefined,
  tell: (sample: Sample) => number | undefined,
): number | undefined {
  const values = point?.samples.map(tell).filter((value) => value !== undefined) ?? [];
  return values.length === 0 || values.length < (point?.samples.length ?? 0) ? undefined : median(values);
}

/** The quotient of two workloads' medians at one load. */
export function ratio(
  points: readonly Point[],
  [workload, baseline]: readonly [string, string],
  inFlight: number,
  tell: (sample: Sample) => number | undefined,
): number | undefined {
  const find = (name: string): Point | undefined =>
    points.find((point) => point.workload === name && point.inFlight === inFlight);
  const [above, below] = [workload, baseline].map((name) => medianOf(find(name), tell));
  return above === undefined || below === undefined || below === 0 ? undefined : above / below;
}
