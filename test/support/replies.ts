import assert from "node:assert/strict";
import type { TestWorker } from "./worker.ts";

type Reply = Awaited<ReturnType<TestWorker["call"]>>;

/** Asserts an error with these codes, whose data is only its message and its error code. */
export function assertRefused(reply: Reply, respCode: number, error: string): void {
  const { msg, ...rest } = reply.resp_data;
  assert.deepEqual({ resp_code: reply.resp_code, ...rest }, { resp_code: respCode, error });
  assert.equal(typeof msg, "string");
}

/** Asserts a 400 that names exactly these fields, each with its own message. */
export function assertInvalid(reply: Reply, ...paths: readonly string[]): void {
  assert.deepEqual([reply.resp_code, reply.resp_data["error"]], [400, "INVALID_INPUT"]);
  const fields = reply.resp_data["fields"] as { path: string; msg: string }[];
  assert.deepEqual(fields.map(({ path }) => path).sort(), paths.toSorted());
  assert.deepEqual(
    fields.filter(({ msg }) => msg === ""),
    [],
  );
}

/** Asserts a success and returns its data. */
export function dataOf(reply: Reply, respCode: 200 | 204 = 200): Record<string, unknown> {
  assert.equal(reply.resp_code, respCode, JSON.stringify(reply));
  return reply.resp_data;
}
