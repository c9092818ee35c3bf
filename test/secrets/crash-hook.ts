/**
 * Loaded into a worker's process before its own code: as soon as a request with one of these correlation ids has
 * begun, the process meets a fault that nobody catches, with all on it that drivers hang on theirs.
 */
import { subscribe } from "node:diagnostics_channel";
import type { StageMessage } from "../../src/observability/stages.ts";

const CRASHES: Readonly<Record<string, (error: Error) => void>> = {
  exception: (error) => {
    setImmediate(() => {
      throw error;
    });
  },
  rejection: (error) => void Promise.reject(error),
  abort: () => process.abort(),
};

subscribe("authmq.request.stage", (message) => {
  const { stage, correlationId = "" } = message as StageMessage;
  const password = process.env["CRASH_PASSWORD"];
  const error = Object.assign(new Error("the driver met a fault"), {
    sql: `insert into user values ('${password}')`,
    parameters: [password, Buffer.from(password ?? "")],
    cause: Object.assign(new Error("a fault below"), { request: { password } }),
  });
  if (stage === "started") CRASHES[correlationId]?.(error);
});
