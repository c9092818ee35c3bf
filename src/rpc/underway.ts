import type { StillWanted } from "../auth/lane.ts";
import type { RequestNotes } from "../observability/request-line.ts";
import type { Deadline } from "./deadline.ts";
import type { Message } from "./message.ts";
import type { Procedure } from "./procedure.ts";

/** One request on its way through the pipeline. */
export interface Underway {
  readonly procedure: Procedure;
  /** Undefined for a request that came over no transport. */
  readonly message: Message | undefined;
  readonly stillWanted: StillWanted;
  readonly deadline: Deadline;
  readonly notes: RequestNotes;
}
