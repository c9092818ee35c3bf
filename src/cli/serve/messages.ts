import type { Readiness } from "../../observability/health.ts";
import type { MetricValues } from "../../observability/metrics.ts";

/** What a supervisor can ask a process of its own, with the answers. */
export interface Answers {
  readonly readiness: Readiness;
  readonly metrics: MetricValues;
}

/** What a supervisor sends: a question, with the number that its answer will have. */
export interface Asked {
  readonly id: number;
  readonly question: keyof Answers;
}

/** What a process sends: that it takes requests, or an answer. */
export type Told =
  | { readonly kind: "ready" }
  | { readonly kind: "answer"; readonly id: number; readonly answer: unknown };
