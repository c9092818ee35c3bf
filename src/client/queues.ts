import type { Replies, Requests } from "../../schemas/workflows.d.ts";
import type { QueueName } from "../wire/queues.ts";

/** What the workflow of a queue takes. */
export type RequestTo<Q extends QueueName> = Requests[Q];

/** What the workflow of a queue gives when it succeeds: `resp_data`. */
export type ReplyFrom<Q extends QueueName> = Replies[Q];

/** How one call is made. */
export interface CallOptions {
  /** Ends the call with its reason; what was sent may be done all the same. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for all attempts together. */
  readonly timeout?: number | undefined;
  /** Makes this request and another one with the same body the same: a new UUID unless given. */
  readonly idempotencyKey?: string | undefined;
}

/** One workflow as a method: the request in, `resp_data` out; rejects with an AuthError or a NoReplyError, or a TypeError. */
export type Method<Q extends QueueName> = (
  request: RequestTo<Q>,
  options?: CallOptions,
) => Promise<ReplyFrom<Q>>;
