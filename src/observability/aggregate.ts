import { AggregatorRegistry, Gauge, Registry } from "prom-client";
import { type MetricValues, type Metrics, PREFIX } from "./metrics.ts";

/** The metrics of several processes as those of one. */
export interface Aggregate extends Pick<Metrics, "contentType"> {
  /**
   * All of them in Prometheus' text format, by the answer of each process that runs; undefined for one that gave none in
   * time. What is counted never falls: the latest counts of a process that is silent or gone stay in.
   */
  readonly render: (answers: ReadonlyMap<unknown, MetricValues | undefined>) => Promise<string>;
}

/** Adds up what processes count, with the number of those that run. */
export function createAggregate(running: () => number): Aggregate {
  const own = new Registry();
  new Gauge({
    name: `${PREFIX}processes`,
    help: "Processes that run under this supervisor.",
    registers: [own],
    collect() {
      this.set(running());
    },
  });
  const latest = new Map<unknown, MetricValues>();
  let past: object[] = [];
  return {
    contentType: own.contentType,
    async render(answers) {
      const supervisor = await own.getMetricsAsJSON();
      // Without a pause until the end: another scrape must not find the same process gone.
      for (const [process, values] of latest) {
        if (answers.has(process)) continue;
        past = AggregatorRegistry.aggregate([past, countsOf(values)]).getMetricsAsArray();
        latest.delete(process);
      }
      const living = Array.from(answers, ([process, now]) => {
        if (now !== undefined) latest.set(process, now);
        return now?.map(showTheWorst) ?? countsOf(latest.get(process) ?? []);
      });
      return AggregatorRegistry.aggregate([supervisor, ...living, past]).metrics();
    },
  };
}

/** What only grows; without it a sum would fall, which Prometheus takes for a restart and counts all of it again. */
function countsOf(values: MetricValues): MetricValues {
  return values.filter(({ type }: { readonly type: unknown }) => type === "counter" || type === "histogram");
}

/** One event loop that is late must not hide behind the mean of the others. */
function showTheWorst(metric: MetricValues[number]): MetricValues[number] {
  return metric.aggregator === "average" ? { ...metric, aggregator: "max" } : metric;
}
