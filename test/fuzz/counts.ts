import type { QueueName } from "../../src/wire/queues.ts";
import type { Input } from "./requests.ts";

/** A finding, with the smallest request that reproduces it. */
export interface Report {
  readonly kind: string;
  readonly detail: string;
  readonly queue: QueueName | undefined;
  readonly target: string;
  readonly round: number;
  /** The request as it was sent, if it is known. */
  readonly input: Input | undefined;
  /** Undefined if no single request reproduced it. */
  readonly smallest: Input | undefined;
}

interface Line {
  inputs: number;
  findings: number;
  readonly codes: Map<number, number>;
}

/** Counts and findings of a run. */
export interface FuzzCounts {
  readonly lines: ReadonlyMap<QueueName, Line>;
  readonly reports: Report[];
  readonly databases: Set<string>;
  /** Properties that were checked in this process, without a broker. */
  readonly properties: Map<string, { runs: number; findings: number }>;
  readonly inputs: number;
  readonly findings: number;
  count(queue: QueueName, database: string, code: number): void;
  /** Counts a finding; returns whether it is the first of its kind. */
  note(kind: string, queue: QueueName | undefined): boolean;
}

/** Creates zero counts, with a row for each queue. */
export function newCounts(queues: readonly QueueName[]): FuzzCounts {
  const lines = new Map<QueueName, Line>(
    queues.map((queue) => [queue, { inputs: 0, findings: 0, codes: new Map<number, number>() }]),
  );
  const kinds = new Set<string>();
  const databases = new Set<string>();
  const state = { inputs: 0, findings: 0 };
  return {
    lines,
    reports: [],
    databases,
    properties: new Map(),
    get inputs() {
      return state.inputs;
    },
    get findings() {
      return state.findings;
    },
    count(queue, database, code) {
      databases.add(database);
      state.inputs++;
      const line = lines.get(queue);
      if (line === undefined) return;
      line.inputs++;
      line.codes.set(code, (line.codes.get(code) ?? 0) + 1);
    },
    note(kind, queue) {
      state.findings++;
      const line = queue && lines.get(queue);
      if (line !== undefined) line.findings++;
      const isNew = !kinds.has(kind);
      kinds.add(kind);
      return isNew;
    },
  };
}
