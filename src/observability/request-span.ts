import {
  type Context,
  context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type TextMapGetter,
  trace,
} from "@opentelemetry/api";
import { brief, type RequestEnd, type Sender } from "./request-line.ts";
import { endSpan, fail, startSpan } from "./tracing.ts";

/** Message headers, with keys and values of the sender's choice. */
type Headers = Readonly<Record<string, unknown>>;

interface RequestToTrace {
  /** The name of its queue. */
  readonly queue: string;
  readonly sender: Sender;
  readonly headers: Headers;
}

/** The span of one request. */
export interface RequestSpan {
  /** ID of the trace: the caller's, even if this process records no spans, or a new one. Undefined without a trace. */
  readonly traceId: string | undefined;
  /** Adds the outcome of the request. */
  note(ended: Pick<RequestEnd, "end" | "notes">): void;
}

/** The longest header that a propagator reads (W3C baggage). */
const MAX_HEADER = 8192;

/** A W3C trace context: version, trace ID, span ID, flags; IDs of only zeros are invalid. */
const TRACEPARENT = /^[\da-f]{2}-((?!0{32})[\da-f]{32})-(?!0{16})[\da-f]{16}-[\da-f]{2}/;

/** Runs a request in a span that continues the trace of its caller, if the headers contain one. */
export function tracedRequest(
  request: RequestToTrace,
  work: (span: RequestSpan) => Promise<void>,
): Promise<void> {
  const parent = parentIn(request.headers);
  const span = startSpan(`process ${request.queue}`, { kind: SpanKind.CONSUMER }, parent);
  const { traceId } = span.spanContext();
  if (!isSpanContextValid(span.spanContext()))
    return work({ traceId: traceIdIn(request.headers), note: () => undefined });
  if (span.isRecording()) describe(span, request);
  const noted: RequestSpan = { traceId, note: (ended) => conclude(span, ended) };
  return context.with(trace.setSpan(parent, span), async () => {
    try {
      await work(noted);
    } finally {
      endSpan(span);
    }
  });
}

/** Follows OpenTelemetry's semantic conventions for messaging where they define a name. */
function describe(span: Span, { queue, sender }: RequestToTrace): void {
  span.setAttributes({
    "messaging.system": "rabbitmq",
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
    "messaging.destination.name": queue,
  });
  const conversation = brief(sender.correlationId);
  if (conversation !== undefined) span.setAttribute("messaging.message.conversation_id", conversation);
  if (sender.redelivered) span.setAttribute("authmq.redelivered", true);
}

function conclude(span: Span, { end, notes }: Pick<RequestEnd, "end" | "notes">): void {
  if (!span.isRecording()) return;
  if (notes.isReplay) span.setAttribute("authmq.repeat", true);
  if (typeof end === "string") {
    span.setAttribute("authmq.outcome", end);
    return;
  }
  const { resp_code, resp_data } = end;
  span.setAttribute("authmq.resp_code", resp_code);
  const { error } = resp_data;
  if (resp_code < 400 || typeof error !== "string") return;
  // A 4xx is the caller's error, so only a 5xx marks the span as failed.
  if (resp_code >= 500) fail(span, error);
  else span.setAttribute("authmq.error", error);
}

const texts: TextMapGetter<Headers> = {
  keys: (headers) => Object.keys(headers),
  get: textIn,
};

function textIn(headers: Headers, name: string): string | undefined {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  return typeof value === "string" && value.length <= MAX_HEADER ? value : undefined;
}

function parentIn(headers: Headers): Context {
  try {
    return propagation.extract(ROOT_CONTEXT, headers, texts);
  } catch {
    // Some propagators throw on invalid headers, which must not fail the request.
    return ROOT_CONTEXT;
  }
}

function traceIdIn(headers: Headers): string | undefined {
  const traceparent = textIn(headers, "traceparent");
  return traceparent === undefined ? undefined : TRACEPARENT.exec(traceparent)?.[1];
}
