import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-node";
import { waitUntil } from "./servers/scratch.ts";

/** An SDK in this process, as an operator's `--import` loads one, that keeps every span. */
export interface Spans {
  /** All that have ended so far, in the order of their ends. */
  all(): ReadableSpan[];
  /** Those of a trace, once the request that it is about has ended so many times. */
  of(traceId: string, requests?: number): Promise<ReadableSpan[]>;
}

/** Registers the SDK, once for a process. */
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

/** A span's name behind those that it is a part of, as far as they are among these spans. */
export function pathOf(span: ReadableSpan, among: readonly ReadableSpan[]): string {
  const parent = among.find((one) => one.spanContext().spanId === span.parentSpanContext?.spanId);
  return parent === undefined ? span.name : `${pathOf(parent, among)} > ${span.name}`;
}
