import { createHistogram } from "node:perf_hooks";

/** The result of a closed loop; times in milliseconds. */
export interface Load {
  readonly count: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Calls `once` repeatedly with a fixed concurrency for a duration in milliseconds. */
export async function closedLoop(
  inFlight: number,
  duration: number,
  once: (round: number) => Promise<void>,
): Promise<Load> {
  const histogram = createHistogram();
  const begin = performance.now();
  let rounds = 0;
  const loop = async (): Promise<void> => {
    while (performance.now() - begin < duration) {
      const start = process.hrtime.bigint();
      await once(rounds++);
      histogram.record(process.hrtime.bigint() - start);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  const percentile = (part: number): number => histogram.percentile(part) / 1e6;
  return {
    count: histogram.count,
    perSecond: histogram.count / ((performance.now() - begin) / 1000),
    p50: percentile(50),
    p95: percentile(95),
    p99: percentile(99),
  };
}

/** The median, minimum and maximum as text. */
export function spread(values: readonly number[], unit: string): string {
  const sorted = values.toSorted((a, b) => a - b);
  const show = (value: number | undefined): string => (value ?? 0).toFixed((value ?? 0) < 10 ? 2 : 0);
  return `${show(median(values))} ${unit} (${show(sorted[0])} to ${show(sorted.at(-1))})`;
}

/** The median of numbers. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
