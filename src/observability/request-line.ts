import type { QueueName } from "../wire/queues.ts";
import type { Log } from "./log.ts";

/** What is learned of a request on its way, for its line in the log; filled by whoever learns it. */
export interface RequestNotes {
  /** Who its token or credentials proved to be; never a name that was only typed, which may be a password. */
  user: string | undefined;
  /** Whether it has the answer that it had before. */
  isRepeat: boolean;
  /** Why it was refused or failed: for the operator, never for the caller. */
  reason: string | undefined;
}

/** What its transport knows of a request; each text is its sender's to choose, except where that is verified. */
export interface Sender {
  readonly correlationId: string | undefined;
  /** The sender as it calls itself. */
  readonly appId: string;
  /** The sender, as its transport has verified it; empty where it has not. */
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
  /** Undefined for a request that came over no transport. */
  readonly sender?: Sender;
  readonly traceId?: string | undefined;
}

/** Of a longer text the beginning is enough to find its sender, and nobody fills the disk with it. */
const MAX_TEXT = 128;

/** Notes about a request of which nothing is known yet. */
export function emptyNotes(): RequestNotes {
  return { user: undefined, isRepeat: false, reason: undefined };
}

/** Writes the one line of a request: info, or error where the worker failed it; free where that level is off. */
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
    repeat: notes.isRepeat ? true : undefined,
    trace_id: traceId,
  };
  if (failed) log.error(fields, "a request failed");
  else log.info(fields, reply === undefined ? "a request was dropped" : "a request was answered");
}

/** A text of a request as it may stand in a line or a span; undefined for an empty one. */
export function brief(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}...`;
}

const NOTHING: Readonly<Record<string, unknown>> = {};
