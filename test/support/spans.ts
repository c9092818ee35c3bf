import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-node";
import { waitUntil } from "./servers/scratch.ts";

/** An OpenTelemetry SDK in this process that keeps every span, like one that an operator loads with `--import`. */
export interface Spans {
  /** All ended spans so far, in the order of their ends. */
  all(): ReadableSpan[];
  /** The spans of a trace, once its request span has ended `requests` times. */
  of(traceId: string, requests?: number): Promise<ReadableSpan[]>;
}

/** Registers the SDK; call it once per process. */
export function recordSpans(): Spans {
  const exporter = new InMemorySpanExporter();
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
  const all = (): ReadableSpan[] => exporter.getFinishedSpans();
  return {
    all,
    of: (traceId, requests = 1) =>
      waitUntil(
        `${requests} ended requests of the trace ${traceId}`,
        () => {
          const own = all().filter((span) => span.spanContext().traceId === traceId);
          return own.filter(({ name }) => name.startsWith("process ")).length >= requests ? own : undefined;
        },
        { seconds: 15 },
      ),
  };
}

/** A span's name after the names of its parents, as far as they are among these spans. */
export function pathOf(span: ReadableSpan, among: readonly ReadableSpan[]): string {
  const parent = among.find((one) => one.spanContext().spanId === span.parentSpanContext?.spanId);
  return parent === undefined ? span.name : `${pathOf(parent, among)} > ${span.name}`;
}
