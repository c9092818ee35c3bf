import type { Replies, Requests } from "../../schemas/workflows.d.ts";
import type { QueueName } from "../wire/queues.ts";

/** The request of a queue's workflow. */
export type RequestTo<Q extends QueueName> = Requests[Q];

/** The `resp_data` of a successful reply. */
export type ReplyFrom<Q extends QueueName> = Replies[Q];

/** Options of one call. */
export interface CallOptions {
  /** Aborts the call, which rejects with the signal's reason; a request that was sent may still be executed. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for all attempts together. */
  readonly timeout?: number | undefined;
  /** A retry with the same key and body gets the same reply and is executed once. Default: a new UUID. */
  readonly idempotencyKey?: string | undefined;
}

/** A workflow as a method; resolves with `resp_data`, rejects with an AuthError, a NoReplyError or a TypeError. */
export type Method<Q extends QueueName> = (
  request: RequestTo<Q>,
  options?: CallOptions,
) => Promise<ReplyFrom<Q>>;
