import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { queueNames } from "../config/queues.ts";
import type { QueueName } from "../wire/queues.ts";

/** What the name of every metric of this project begins with. */
const PREFIX = "authmq_";

/** What a label can be. A counter with one of these labels begins at 0, or its first step would be no increase. */
const VALUES = {
  queue: queueNames(),
  lane: ["hashing", "directory", "kerberos", "retries"],
  purpose: ["requests", "replies", "first replies", "events", "log"],
  state: ["open", "idle", "waiting"],
} as const satisfies Record<string, readonly string[]>;

/** The type of each label's values. They are of closed sets, never text of a request: each value is a series for ever. */
interface LabelValues {
  /** The default name of the workflow's queue. */
  readonly queue: QueueName;
  /** The reply's resp_code. */
  readonly code: number;
  readonly lane: (typeof VALUES.lane)[number];
  readonly purpose: (typeof VALUES.purpose)[number];
  /** A reason's label, not its text. */
  readonly reason: string;
  readonly state: (typeof VALUES.state)[number];
  /** Of this package. */
  readonly version: string;
  /** The version of Node. */
  readonly node: string;
}

/** What a connection to the broker is for. */
export type ConnectionPurpose = LabelValues["purpose"];

interface Definition {
  readonly type: "counter" | "histogram" | "gauge";
  readonly labels: readonly (keyof LabelValues)[];
  readonly help: string;
}

/** Gauges of prom-client whose names end like a counter's; each is the sum of another one that stays. */
const MISNAMED = ["handles", "requests", "resources"].map((what) => `nodejs_active_${what}_total`);

/** Every metric of this project, by its name without the prefix. */
const METRICS = {
  build_info: {
    type: "gauge",
    labels: ["version", "node"],
    help: "Always 1, with the version of authmq and of Node.",
  },
  requests_total: {
    type: "counter",
    labels: ["queue", "code"],
    help: "Requests answered, by the reply's resp_code.",
  },
  request_duration_seconds: {
    type: "histogram",
    labels: ["queue"],
    help: "Time from a request's delivery until its reply is handed to the broker, in seconds.",
  },
  requests_in_flight: {
    type: "gauge",
    labels: ["queue"],
    help: "Requests that were delivered and are not finished.",
  },
  requests_expired_total: {
    type: "counter",
    labels: ["queue"],
    help: "Requests dropped because their expiration passed before their turn.",
  },
  requests_abandoned_total: {
    type: "counter",
    labels: ["queue"],
    help: "Requests dropped because their caller was gone, or the broker gave them to another worker.",
  },
  requests_redelivered_total: {
    type: "counter",
    labels: ["queue"],
    help: "Requests that the broker delivered again.",
  },
  inbox_hits_total: {
    type: "counter",
    labels: ["queue"],
    help: "Requests that had been executed before and were answered with the stored reply.",
  },
  requests_parked_total: {
    type: "counter",
    labels: ["queue"],
    help: "Requests that ended the process three times and are not executed any more.",
  },
  lane_wait_seconds: {
    type: "histogram",
    labels: ["lane"],
    help: "Time that a task waited at a concurrency limit, in seconds.",
  },
  broker_connects_total: {
    type: "counter",
    labels: ["purpose"],
    help: "Successful connects to the broker; what exceeds 1 is reconnects.",
  },
  broker_connected: {
    type: "gauge",
    labels: ["purpose"],
    help: "1 while the connection to the broker is set up.",
  },
  queue_consumed: {
    type: "gauge",
    labels: ["queue"],
    help: "1 while the queue is consumed.",
  },
  replies_unroutable_total: {
    type: "counter",
    labels: [],
    help: "Replies that the broker returned because the caller's queue was gone.",
  },
  replies_lost_total: {
    type: "counter",
    labels: [],
    help: "Replies that the broker did not confirm in time.",
  },
  log_lines_dropped_total: {
    type: "counter",
    labels: [],
    help: "Log lines that are lost because nobody read them in time, or could not be written.",
  },
  log_records_dropped_total: {
    type: "counter",
    labels: [],
    help: "Log records that the broker did not take in time, or refused; they went to stderr.",
  },
  hash_duration_seconds: {
    type: "histogram",
    labels: [],
    help: "Time of one password hashed or compared, without the wait for its turn, in seconds.",
  },
  logins_throttled_total: {
    type: "counter",
    labels: [],
    help: "Logins that were refused unseen because too many had failed.",
  },
  events_published_total: {
    type: "counter",
    labels: [],
    help: "Events that the broker has confirmed.",
  },
  events_waiting: {
    type: "gauge",
    labels: [],
    help: "Events of the last look that wait for being published; more than 200 show as 200.",
  },
  directory_duration_seconds: {
    type: "histogram",
    labels: [],
    help: "Time of one question to the directory without the wait for its turn, in seconds.",
  },
  directory_refusals_total: {
    type: "counter",
    labels: ["reason"],
    help: "Logins and sessions that the directory refused, by reason.",
  },
  kerberos_refusals_total: {
    type: "counter",
    labels: ["reason"],
    help: "Logins that the Kerberos realm refused, by reason.",
  },
  database_connections: {
    type: "gauge",
    labels: ["state"],
    help: "Connections of the MySQL pool that are open or idle, and statements that wait for one.",
  },
} as const satisfies Record<string, Definition>;

/** Bounds in seconds: from a token that is read to a login that waits for a directory. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

type Table = typeof METRICS;
type NameOf<T extends Definition["type"]> = {
  [N in keyof Table]: Table[N]["type"] extends T ? N : never;
}[keyof Table];
type LabelsOf<N extends keyof Table> = Readonly<Pick<LabelValues, Table[N]["labels"][number]>>;
type LabelArguments<N extends keyof Table> = Table[N]["labels"] extends readonly []
  ? []
  : [labels: LabelsOf<N>];
type AnyLabels = Readonly<Record<string, string | number>>;

interface Reader {
  readonly labels: AnyLabels;
  readonly read: () => number;
}

interface Row {
  /** The metric's name, then the labels' values. */
  readonly path: readonly string[];
  readonly value: number;
}

/** What a worker counted: a number by name, or numbers by their labels' values, one level for each label. */
export interface Snapshot {
  readonly [name: string]: number | Snapshot;
}

/** What one worker counts and measures; what is not in the table of metrics does not compile. */
export interface Metrics {
  /** One more. */
  count<N extends NameOf<"counter">>(name: N, ...labels: LabelArguments<N>): void;
  /** One measurement, in seconds. */
  observe<N extends NameOf<"histogram">>(name: N, seconds: number, ...labels: LabelArguments<N>): void;
  /** A value that is read whenever somebody looks. */
  gauge<N extends NameOf<"gauge">>(name: N, labels: LabelsOf<N>, read: () => number): void;
  /** Adds the process's own metrics, for a worker whose metrics are read: they run a timer and an observer. */
  includeProcess(): void;
  /** All metrics in Prometheus' text format. */
  render(): Promise<string>;
  /** The media type of what `render` gives. */
  readonly contentType: string;
  /** All counters that are not 0. */
  snapshot(): Promise<Snapshot>;
}

/** Metrics in a registry of their own, so that several workers of a process do not mix theirs. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  const readers = new Map<string, Reader[]>();
  for (const [name, { type, labels, help }] of Object.entries<Definition>(METRICS)) {
    const options = { name: PREFIX + name, help, labelNames: labels, registers: [registry] };
    if (type === "counter") {
      const counter = new Counter(options);
      for (const first of beginnings(labels)) counter.inc(first, 0);
      counters.set(name, counter);
    } else if (type === "histogram") {
      histograms.set(name, new Histogram({ ...options, buckets: BUCKETS }));
    } else {
      const own: Reader[] = [];
      readers.set(name, own);
      new Gauge({
        ...options,
        collect() {
          for (const reader of own) this.set(reader.labels, reader.read());
        },
      });
    }
  }
  return {
    count: (name: string, labels: AnyLabels = {}) => counters.get(name)?.inc(labels),
    observe: (name: string, seconds: number, labels: AnyLabels = {}) =>
      histograms.get(name)?.observe(labels, seconds),
    gauge: (name: string, labels: AnyLabels, read: () => number) => readers.get(name)?.push({ labels, read }),
    includeProcess() {
      collectDefaultMetrics({ register: registry });
      for (const name of MISNAMED) registry.removeSingleMetric(name);
    },
    render: () => registry.metrics(),
    contentType: registry.contentType,
    async snapshot() {
      const rows: Row[] = [];
      for (const [name, counter] of counters) {
        const { values } = await counter.get();
        for (const { labels, value } of values)
          if (value > 0) rows.push({ path: [name, ...Object.values(labels).map(String)], value });
      }
      return nest(rows);
    },
  };
}

/** The labels of the series that are there from the beginning. */
function beginnings([label, ...more]: Definition["labels"]): AnyLabels[] {
  if (label === undefined || more.length > 0 || !(label in VALUES)) return [];
  return VALUES[label as keyof typeof VALUES].map((value) => ({ [label]: value })); // "in" does not narrow a key
}

function nest(rows: readonly Row[]): Snapshot {
  const groups = Object.entries(Object.groupBy(rows, ({ path }) => path[0] ?? ""));
  return Object.fromEntries(
    groups.map(([key, group = []]) => {
      const rest = group.map(({ path, value }) => ({ path: path.slice(1), value }));
      const [leaf] = rest;
      return [key, leaf?.path.length === 0 ? leaf.value : nest(rest)];
    }),
  );
}
