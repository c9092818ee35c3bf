const NAMES = ["answered", "abandoned", "redelivered", "replies_unroutable", "replies_lost"] as const;

type CounterName = (typeof NAMES)[number];

/** Counts what a worker did since its start; the worker logs them when it stops. */
export interface Counters {
  count(name: CounterName): void;
  snapshot(): Readonly<Record<string, number>>;
}

/** Counters that begin at zero. */
export function createCounters(): Counters {
  const counts = new Map<CounterName, number>(NAMES.map((name) => [name, 0]));
  return {
    count: (name) => counts.set(name, (counts.get(name) ?? 0) + 1),
    snapshot: () => Object.fromEntries(counts),
  };
}
