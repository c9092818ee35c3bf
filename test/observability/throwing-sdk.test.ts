import assert from "node:assert/strict";
import { test } from "node:test";
import { NodeTracerProvider, SamplingDecision } from "@opentelemetry/sdk-trace-node";
import { flushSpans } from "../../src/observability/tracing.ts";
import { startWorker } from "../support/worker.ts";

/** What an operator's own parts of an SDK do wrong: in turn, at the beginning and at the end of each span. */
let fault: "sampler" | "start" | "end" | undefined;
const breakAt = (where: typeof fault): void => {
  if (fault === where) throw new Error(`a ${where} that throws`);
};

new NodeTracerProvider({
  sampler: {
    shouldSample: () => {
      breakAt("sampler");
      return { decision: SamplingDecision.RECORD_AND_SAMPLED };
    },
  },
  spanProcessors: [
    {
      onStart: () => breakAt("start"),
      onEnd: () => breakAt("end"),
      forceFlush: () => {
        throw new Error("a flush that throws");
      },
      shutdown: async () => undefined,
    },
  ],
}).register();

test("an SDK that throws costs spans and no request, effect or stop", async () => {
  await using worker = await startWorker({ database: "mysql" });
  await worker.addUser("alice", "correct horse");
  for (const where of [undefined, "sampler", "start", "end"] as const) {
    fault = where;
    const id_token = await worker.login("alice", "correct horse");
    assert.equal((await worker.call("token", { id_token })).resp_code, 200, where);
  }
  const faults = worker.log.filter((line) =>
    /unexpected error|could not process|closed the channel/.test(line),
  );
  assert.deepEqual(faults, []);
  await flushSpans();
});
