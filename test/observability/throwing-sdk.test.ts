import assert from "node:assert/strict";
import { test } from "node:test";
import { NodeTracerProvider, SamplingDecision } from "@opentelemetry/sdk-trace-node";
import { flushSpans } from "../../src/observability/tracing.ts";
import { startWorker } from "../support/worker.ts";

/** The part of the operator's SDK that throws now. */
let broken: "sampler" | "start" | "end" | undefined;
const throwIfBroken = (where: typeof broken): void => {
  if (broken === where) throw new Error(`a ${where} that throws`);
};

new NodeTracerProvider({
  sampler: {
    shouldSample: () => {
      throwIfBroken("sampler");
      return { decision: SamplingDecision.RECORD_AND_SAMPLED };
    },
  },
  spanProcessors: [
    {
      onStart: () => throwIfBroken("start"),
      onEnd: () => throwIfBroken("end"),
      forceFlush: () => {
        throw new Error("a flush that throws");
      },
      shutdown: async () => undefined,
    },
  ],
}).register();

test("an SDK that throws loses spans, and fails no request or stop", async () => {
  await using worker = await startWorker({ database: "mysql" });
  await worker.addUser("alice", "correct horse");
  for (const where of [undefined, "sampler", "start", "end"] as const) {
    broken = where;
    const id_token = await worker.login("alice", "correct horse");
    assert.equal((await worker.call("token", { id_token })).resp_code, 200, where);
  }
  const errors = worker.log.filter((line) =>
    /unexpected error|could not process|closed the channel/.test(line),
  );
  assert.deepEqual(errors, []);
  await flushSpans();
});
