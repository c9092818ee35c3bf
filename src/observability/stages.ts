import { channel } from "node:diagnostics_channel";

/** Stages of a request for fault injection: effects before a stage must not be repeated or lost. */
export type Stage = "started" | "committed" | "handled" | "replied" | "acked";

/** A message on the diagnostics channel `authmq.request.stage`; it contains nothing of the request's body. */
export interface StageMessage {
  readonly stage: Stage;
  /** The default name of the workflow's queue. */
  readonly queue: string;
  readonly correlationId: string | undefined;
}

const stages = channel("authmq.request.stage");

/** Notifies subscribers in this process synchronously that a request reached a stage. */
export function announceStage(stage: Stage, queue: string, correlationId: string | undefined): void {
  if (stages.hasSubscribers) stages.publish({ stage, queue, correlationId } satisfies StageMessage);
}
