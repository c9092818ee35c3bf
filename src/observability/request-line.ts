import type { QueueName } from "../wire/queues.ts";
import type { Log } from "./log.ts";

/** Facts about a request for its log line, filled in while it is processed. */
export interface RequestNotes {
  /** The authenticated user; never an unverified username, which may be a mistyped password. */
  user: string | undefined;
  /** Whether the reply is an idempotent replay. */
  isReplay: boolean;
  /** Why the request failed: for the operator, never for the caller. */
  reason: string | undefined;
}

/** The sender of a request, as known by the transport. The sender chooses all values except `userId`. */
export interface Sender {
  readonly correlationId: string | undefined;
  /** The sender's own name. */
  readonly appId: string;
  /** The sender's user, verified by the transport; empty if it was not verified. */
  readonly userId: string;
  readonly redelivered: boolean;
}

/** How a request ended. */
export interface RequestEnd {
  /** The default name of the workflow's queue. */
  readonly queue: QueueName;
  /** The reply, or why there is none. */
  readonly end:
    | { readonly resp_code: number; readonly resp_data: Readonly<Record<string, unknown>> }
    | "expired"
    | "abandoned";
  readonly ms: number;
  readonly notes: RequestNotes;
  /** Undefined for a request that did not come from a broker. */
  readonly sender?: Sender;
  readonly traceId?: string | undefined;
}

/** Longer texts are cut: the beginning identifies the sender, and callers cannot fill the disk. */
const MAX_TEXT = 128;

/** Notes for a new request. */
export function emptyNotes(): RequestNotes {
  return { user: undefined, isReplay: false, reason: undefined };
}

/** Logs a request in one line: at error for replies of 5xx, otherwise at info. Does no work when that level is off. */
export function logRequest(log: Log, { queue, end, ms, notes, sender, traceId }: RequestEnd): void {
  const reply = typeof end === "string" ? undefined : end;
  const failed = reply !== undefined && reply.resp_code >= 500;
  if (!log.isLevelEnabled(failed ? "error" : "info")) return;
  const { error, reference } = reply === undefined || reply.resp_code < 400 ? NOTHING : reply.resp_data;
  // pino leaves out what is undefined.
  const fields = {
    queue,
    code: reply?.resp_code,
    error,
    reason: notes.reason,
    reference,
    outcome: reply === undefined ? end : undefined,
    ms: Math.round(ms * 100) / 100,
    user: brief(notes.user),
    app_id: brief(sender?.appId),
    user_id: brief(sender?.userId),
    correlation_id: brief(sender?.correlationId),
    redelivered: sender?.redelivered === true ? true : undefined,
    repeat: notes.isReplay ? true : undefined,
    trace_id: traceId,
  };
  if (failed) log.error(fields, "a request failed");
  else log.info(fields, reply === undefined ? "a request was dropped" : "a request was answered");
}

/** Cuts a text of a request for a log line or span; undefined for an empty text. */
export function brief(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}...`;
}

const NOTHING: Readonly<Record<string, unknown>> = {};
