import { setTimeout as sleep } from "node:timers/promises";
import {
  type Attributes,
  type Context,
  context,
  INVALID_SPAN_CONTEXT,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { RequestCancelled, AppError } from "../errors.ts";

/** Creates spans for the OpenTelemetry SDK that the operator has loaded; without an SDK it creates none. */
const tracer = trace.getTracer("authmq");

/** The name and attributes of a span. They must not contain passwords, tokens or unverified usernames. */
export interface SpanDescription {
  readonly name: string;
  /** `client`: a request to another service; `producer`: a message. Default: work in this process. */
  readonly kind?: "client" | "producer";
  readonly attributes?: Attributes;
}

const KINDS = { client: SpanKind.CLIENT, producer: SpanKind.PRODUCER };

/** How long a stop waits until spans are sent, in milliseconds. */
const FLUSH_TIMEOUT = 2000;

/** Starts a span. If the SDK or one of its plugins throws, returns a span that records nothing. Never throws. */
export function startSpan(name: string, options: SpanOptions, parent: Context): Span {
  try {
    return tracer.startSpan(name, options, parent);
  } catch {
    return trace.wrapSpanContext(INVALID_SPAN_CONTEXT);
  }
}

/** Ends a span. Never throws. */
export function endSpan(span: Span): void {
  try {
    span.end();
  } catch {
    // Losing the span must not fail the traced work.
  }
}

/** Runs a part of a request in its own span; if the request is not recorded, runs it without a span. */
export function traced<T>(
  describe: SpanDescription | (() => SpanDescription),
  work: () => Promise<T>,
): Promise<T> {
  if (trace.getActiveSpan()?.isRecording() !== true) return work();
  const span = begin(typeof describe === "function" ? describe() : describe);
  return context.with(trace.setSpan(context.active(), span), async () => {
    try {
      return await work();
    } catch (error) {
      // A cancelled request is not an error.
      if (!(error instanceof RequestCancelled)) fail(span, kindOf(error));
      throw error;
    } finally {
      endSpan(span);
    }
  });
}

/** Like `traced`, for synchronous work. */
export function tracedSync<T>(describe: () => SpanDescription, work: () => T): T {
  if (trace.getActiveSpan()?.isRecording() !== true) return work();
  const span = begin(describe());
  try {
    return work();
  } catch (error) {
    fail(span, kindOf(error));
    throw error;
  } finally {
    endSpan(span);
  }
}

/** Adds an attribute to the active span, if any. */
export function annotate(key: string, value: string | number): void {
  trace.getActiveSpan()?.setAttribute(key, value);
}

/** Marks a span as failed, with an error type only: error texts may quote values passed to a driver. */
export function fail(span: Span, errorType: string): void {
  span.setAttribute("error.type", errorType);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** Binds a function to the active trace, for a later call from elsewhere. */
export function bound(work: () => void): () => void {
  return context.bind(context.active(), work);
}

/** Runs work outside the active trace, because it belongs to no request. */
export function detached<T>(work: () => T): T {
  return context.with(ROOT_CONTEXT, work);
}

/** The ID of the active trace; undefined if there is none. */
export function activeTraceId(): string | undefined {
  return trace.getActiveSpan()?.spanContext().traceId;
}

/** Makes the SDK send its buffered spans before the process ends; waits up to two seconds. */
export async function flushSpans(): Promise<void> {
  const registered: object = trace.getTracerProvider();
  const provider = isProxy(registered) ? registered.getDelegate() : registered;
  if (!isFlushable(provider)) return;
  const flushed = Promise.resolve()
    .then(() => provider.forceFlush())
    .catch(() => undefined);
  await Promise.race([flushed, sleep(FLUSH_TIMEOUT, undefined, { ref: false })]);
}

/** The API's proxy for a provider that may be registered later. */
function isProxy(provider: object): provider is { getDelegate(): object } {
  return "getDelegate" in provider && typeof provider.getDelegate === "function";
}

/** The providers of all SDKs have forceFlush, although the API does not declare it. */
function isFlushable(provider: object): provider is { forceFlush(): Promise<void> } {
  return "forceFlush" in provider && typeof provider.forceFlush === "function";
}

function begin({ name, kind, attributes = {} }: SpanDescription): Span {
  const options = { kind: kind === undefined ? SpanKind.INTERNAL : KINDS[kind], attributes };
  return startSpan(name, options, context.active());
}

function kindOf(error: unknown): string {
  if (error instanceof AppError) return error.code;
  return error instanceof Error ? error.name : "unknown";
}
