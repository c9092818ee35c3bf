import { availableParallelism } from "node:os";
import type { Log } from "../../observability/log.ts";
import type { Worker } from "../../worker.ts";
import type { Answers, Asked, Told } from "./messages.ts";

/** Set by the supervisor alone: others may start a worker with a channel of their own. */
const VARIABLE = "AUTHMQ_SUPERVISED";

/** The supervisor, as one of its processes sees it. */
export interface SupervisorLink {
  /** Says that this process takes requests. */
  tellReady(): void;
  /** Answers the supervisor's questions about this worker. */
  answerFor(worker: Worker, log: Log): void;
  /** Calls when the supervisor is gone, however it went. */
  onGone(listener: () => void): void;
}

/** The supervisor that started this process; undefined where none did. */
export function findSupervisor(): SupervisorLink | undefined {
  if (process.env[VARIABLE] === undefined || process.send === undefined) return undefined;
  return {
    tellReady: () => tell({ kind: "ready" }),
    answerFor(worker, log) {
      process.on("message", (message) => {
        const { id, question } = message as Asked; // comes from the supervisor alone
        answer(worker, question).then(
          (value) => tell({ kind: "answer", id, answer: value }),
          (error: unknown) => log.error({ err: error }, "a question of the supervisor met a fault"),
        );
      });
    },
    onGone(listener) {
      // It may have gone while this process was loaded.
      if (process.connected) process.once("disconnect", listener);
      else listener();
    },
  };
}

/** The environment of one of so many processes: they share the threads that hash, or each would take all processors. */
export function supervisedEnvironment(processes: number): NodeJS.ProcessEnv {
  const pool = Number(process.env["UV_THREADPOOL_SIZE"]) || Math.max(4, availableParallelism() + 2);
  return {
    ...process.env,
    [VARIABLE]: "1",
    UV_THREADPOOL_SIZE: String(Math.max(2, Math.ceil(pool / processes))),
  };
}

function answer(worker: Worker, question: keyof Answers): Promise<Answers[typeof question]> {
  return question === "readiness" ? worker.readiness() : worker.metrics.export();
}

function tell(told: Told): void {
  // A supervisor that is gone needs no answer; without a callback that would be an error nobody catches.
  process.send?.(told, undefined, undefined, () => undefined);
}
