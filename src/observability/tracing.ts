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

/** Makes spans for the OpenTelemetry SDK that the operator has loaded; without one it makes none. */
const tracer = trace.getTracer("authmq");

/** What a span is called and says; never a password, a token, or what somebody typed for a name. */
export interface SpanDescription {
  readonly name: string;
  /** What is asked of another service, or sent to one; else it is work of this process. */
  readonly kind?: "client" | "producer";
  readonly attributes?: Attributes;
}

const KINDS = { client: SpanKind.CLIENT, producer: SpanKind.PRODUCER };

/** So long a stop waits for spans to be sent, in milliseconds. */
const FLUSH_LIMIT = 2000;

/** Begins a span; one that records nothing where the SDK, or what an operator adds to it, throws: that fails no request. */
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
    // The span is lost, and not what it was about.
  }
}

/** Runs a part of a request in a span of its own; where no request is recorded there is none, and it costs nothing. */
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
      // That nobody waits any more is no fault.
      if (!(error instanceof RequestCancelled)) fail(span, kindOf(error));
      throw error;
    } finally {
      endSpan(span);
    }
  });
}

/** The same for work that is done when it returns. */
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

/** Adds to the span that runs now, where there is one. */
export function annotate(key: string, value: string | number): void {
  trace.getActiveSpan()?.setAttribute(key, value);
}

/** Marks a span as failed, by a word: the text of an error may quote what a driver was given. */
export function fail(span: Span, fault: string): void {
  span.setAttribute("error.type", fault);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** The same function as a part of the request that asks for it now, whoever calls it later. */
export function bound(work: () => void): () => void {
  return context.bind(context.active(), work);
}

/** Runs what belongs to no request, although one may have set it off. */
export function detached<T>(work: () => T): T {
  return context.with(ROOT_CONTEXT, work);
}

/** The id of the trace that this is part of, where there is one. */
export function activeTraceId(): string | undefined {
  return trace.getActiveSpan()?.spanContext().traceId;
}

/** Has the SDK send what it holds, for at most two seconds: the process is about to end. */
export async function flushSpans(): Promise<void> {
  const registered: object = trace.getTracerProvider();
  const provider = isProxy(registered) ? registered.getDelegate() : registered;
  if (!isFlushable(provider)) return;
  const flushed = Promise.resolve()
    .then(() => provider.forceFlush())
    .catch(() => undefined);
  await Promise.race([flushed, sleep(FLUSH_LIMIT, undefined, { ref: false })]);
}

/** What the API gives in the place of a provider that may be registered later. */
function isProxy(provider: object): provider is { getDelegate(): object } {
  return "getDelegate" in provider && typeof provider.getDelegate === "function";
}

/** Every SDK's provider can do it, although the API does not name it. */
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
