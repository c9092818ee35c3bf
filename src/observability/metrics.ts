import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { queueNames } from "../config/queues.ts";
import type { QueueName } from "../wire/queues.ts";

/** The prefix of all metric names of this project. */
const PREFIX = "authmq_";

/** Label values. Counters with one of these labels start at 0, so that Prometheus sees their first increase. */
const VALUES = {
  queue: queueNames(),
  lane: ["hashing", "directory", "kerberos", "retries"],
  purpose: ["requests", "replies", "first replies", "events", "log"],
  state: ["open", "idle", "waiting"],
} as const satisfies Record<string, readonly string[]>;

/** The type of each label's values. Each value creates a series, so never use text from a request. */
interface LabelValues {
  /** The default name of the workflow's queue. */
  readonly queue: QueueName;
  /** The reply's resp_code. */
  readonly code: number;
  readonly lane: (typeof VALUES.lane)[number];
  readonly purpose: (typeof VALUES.purpose)[number];
  /** A reason code, not its text. */
  readonly reason: string;
  readonly state: (typeof VALUES.state)[number];
  /** The version of authmq. */
  readonly version: string;
  /** The version of Node. */
  readonly node: string;
}

/** The purpose of a broker connection. */
export type ConnectionPurpose = LabelValues["purpose"];

interface Definition {
  readonly type: "counter" | "histogram" | "gauge";
  readonly labels: readonly (keyof LabelValues)[];
  readonly help: string;
}

/** Gauges of prom-client with a counter's suffix. They are removed: other metrics contain the same numbers. */
const MISLEADING = ["handles", "requests", "resources"].map((what) => `nodejs_active_${what}_total`);

/** All metrics of this project, by name without the prefix. */
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
    help: "Requests that were delivered and are not finished yet.",
  },
  requests_expired_total: {
    type: "counter",
    labels: ["queue"],
    help: "Requests dropped because they expired before they were processed.",
  },
  requests_abandoned_total: {
    type: "counter",
    labels: ["queue"],
    help: "Requests dropped because their caller had gone, or the broker delivered them to another worker.",
  },
  requests_redelivered_total: {
    type: "counter",
    labels: ["queue"],
    help: "Requests that the broker delivered again.",
  },
  inbox_hits_total: {
    type: "counter",
    labels: ["queue"],
    help: "Requests that were executed before and answered with the recorded reply (idempotent replays).",
  },
  requests_parked_total: {
    type: "counter",
    labels: ["queue"],
    help: "Poison messages: requests that crashed the worker three times and are no longer executed.",
  },
  lane_wait_seconds: {
    type: "histogram",
    labels: ["lane"],
    help: "Time that a task waited at a concurrency limit, in seconds.",
  },
  broker_connects_total: {
    type: "counter",
    labels: ["purpose"],
    help: "Successful connects to the broker; values above 1 count reconnects.",
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
    help: "Replies that the broker returned because the caller's queue did not exist.",
  },
  replies_lost_total: {
    type: "counter",
    labels: [],
    help: "Replies that the broker did not confirm in time.",
  },
  log_lines_dropped_total: {
    type: "counter",
    labels: [],
    help: "Log lines that were lost because no process read them in time, or because they could not be written.",
  },
  log_records_dropped_total: {
    type: "counter",
    labels: [],
    help: "Log records that the broker did not confirm in time, or rejected; they went to stderr.",
  },
  hash_duration_seconds: {
    type: "histogram",
    labels: [],
    help: "Time to hash or compare one password, without the wait at the concurrency limit, in seconds.",
  },
  logins_throttled_total: {
    type: "counter",
    labels: [],
    help: "Logins that were rejected by the rate limit, without checking the password.",
  },
  events_published_total: {
    type: "counter",
    labels: [],
    help: "Events that the broker has confirmed.",
  },
  events_waiting: {
    type: "gauge",
    labels: [],
    help: "Events that wait to be published, as of the last poll; at most 200 are counted.",
  },
  directory_duration_seconds: {
    type: "histogram",
    labels: [],
    help: "Time of one directory request, without the wait at the concurrency limit, in seconds.",
  },
  directory_refusals_total: {
    type: "counter",
    labels: ["reason"],
    help: "Logins and sessions that the directory rejected, by reason.",
  },
  kerberos_refusals_total: {
    type: "counter",
    labels: ["reason"],
    help: "Logins that the Kerberos realm rejected, by reason.",
  },
  database_connections: {
    type: "gauge",
    labels: ["state"],
    help: "Connections of the MySQL pool that are open or idle, and statements that wait for one.",
  },
} as const satisfies Record<string, Definition>;

/** Bounds in seconds, from a token check to a login that waits for a directory. */
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
  /** The metric's name, then its label values. */
  readonly path: readonly string[];
  readonly value: number;
}

/** A worker's counters by name; counters with labels are nested by label value. */
export interface Snapshot {
  readonly [name: string]: number | Snapshot;
}

/** The metrics of one worker; names and labels are checked at compile time. */
export interface Metrics {
  /** Increments a counter. */
  count<N extends NameOf<"counter">>(name: N, ...labels: LabelArguments<N>): void;
  /** Records one duration, in seconds. */
  observe<N extends NameOf<"histogram">>(name: N, seconds: number, ...labels: LabelArguments<N>): void;
  /** Registers a function that reads a gauge at each scrape. */
  gauge<N extends NameOf<"gauge">>(name: N, labels: LabelsOf<N>, read: () => number): void;
  /** Adds the metrics of the process. Call it only if they are scraped, because they need a timer and an observer. */
  includeProcess(): void;
  /** All metrics in Prometheus' text format. */
  render(): Promise<string>;
  /** The media type of `render`'s text. */
  readonly contentType: string;
  /** All counters that are not 0. */
  snapshot(): Promise<Snapshot>;
}

/** Creates metrics with their own registry, so that several workers in one process do not share counters. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  const readers = new Map<string, Reader[]>();
  for (const [name, { type, labels, help }] of Object.entries<Definition>(METRICS)) {
    const options = { name: PREFIX + name, help, labelNames: labels, registers: [registry] };
    if (type === "counter") {
      const counter = new Counter(options);
      for (const first of initialLabels(labels)) counter.inc(first, 0);
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
      for (const name of MISLEADING) registry.removeSingleMetric(name);
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

/** The labels of the series that start at 0. */
function initialLabels([label, ...more]: Definition["labels"]): AnyLabels[] {
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
