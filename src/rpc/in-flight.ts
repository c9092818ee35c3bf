import type { CancellationCheck } from "../auth/concurrency-limiter.ts";
import type { RequestNotes } from "../observability/request-line.ts";
import type { Deadline } from "./deadline.ts";
import type { Message } from "./message.ts";
import type { Procedure } from "./procedure.ts";

/** A request in the pipeline. */
export interface InFlight {
  readonly procedure: Procedure;
  /** Undefined for a request without a transport. */
  readonly message: Message | undefined;
  readonly isCancelled: CancellationCheck;
  readonly deadline: Deadline;
  readonly notes: RequestNotes;
}
