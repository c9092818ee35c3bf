import { channel } from "node:diagnostics_channel";

/** The points of a request's way where a fault matters: what was done before it must not be done again or be lost. */
export type Stage = "started" | "committed" | "handled" | "replied" | "acked";

/** What subscribers of the diagnostics channel `authmq.request.stage` are told; nothing of the request's body. */
export interface StageMessage {
  readonly stage: Stage;
  /** The default name of the workflow's queue. */
  readonly queue: string;
  readonly correlationId: string | undefined;
}

const stages = channel("authmq.request.stage");

/** Tells subscribers, at once and in this process, that a request has reached a point; free where there are none. */
export function announceStage(stage: Stage, queue: string, correlationId: string | undefined): void {
  if (stages.hasSubscribers) stages.publish({ stage, queue, correlationId } satisfies StageMessage);
}
