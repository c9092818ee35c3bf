const NAMES = ["answered", "abandoned", "redelivered", "replies_unroutable", "replies_lost"] as const;

type CounterName = (typeof NAMES)[number];

/** What is counted by a label of a closed set: why a login source refused. */
type LabelledName = "directory_refusals" | "kerberos_refusals";

/** Counts what a worker did since its start; the worker logs them when it stops. */
export interface Counters {
  count(name: CounterName): void;
  countBy(name: LabelledName, label: string): void;
  snapshot(): Readonly<Record<string, number | Readonly<Record<string, number>>>>;
}

/** Counters that begin at zero. */
export function createCounters(): Counters {
  const counts = new Map<CounterName, number>(NAMES.map((name) => [name, 0]));
  const labelled = new Map<LabelledName, Map<string, number>>();
  return {
    count: (name) => counts.set(name, (counts.get(name) ?? 0) + 1),
    countBy(name, label) {
      const byLabel = labelled.get(name) ?? new Map<string, number>();
      labelled.set(name, byLabel.set(label, (byLabel.get(label) ?? 0) + 1));
    },
    snapshot: () => ({
      ...Object.fromEntries(counts),
      ...Object.fromEntries(Array.from(labelled, ([name, byLabel]) => [name, Object.fromEntries(byLabel)])),
    }),
  };
}
