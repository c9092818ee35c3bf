import type { Stage } from "../../src/observability/stages.ts";

/**
 * When to kill a worker's process: at each N-th request at a stage, or at every request with a correlation id prefix.
 */
export type KillPlan =
  | { readonly stage: Stage; readonly every: number; readonly prefix?: undefined }
  | { readonly stage: Stage; readonly prefix: string };

/** Options of the hook in a worker's process. */
export interface Plan {
  /** The file for recorded stages. */
  readonly trace: string;
  readonly kill: KillPlan | undefined;
  /** Processes are killed only while this file exists. */
  readonly armed: string;
}
