import type { Stage } from "../../src/observability/stages.ts";

/** Which moment ends a worker's process: each one's N-th at a stage, or everyone's with a certain correlation id. */
export type KillPlan =
  | { readonly stage: Stage; readonly every: number; readonly prefix?: undefined }
  | { readonly stage: Stage; readonly prefix: string };

/** What the hook in a worker's process is told. */
export interface Plan {
  /** The file that stages are written to. */
  readonly trace: string;
  readonly kill: KillPlan | undefined;
  /** Processes are ended only while this file is there. */
  readonly armed: string;
}
