/**
 * Loaded into a worker's process before its own code: when a request with one of these correlation ids starts, the
 * process gets an uncaught error with the properties that database drivers set.
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
  const error = Object.assign(new Error("driver failed"), {
    sql: `insert into user values ('${password}')`,
    parameters: [password, Buffer.from(password ?? "")],
    cause: Object.assign(new Error("driver failed below"), { request: { password } }),
  });
  if (stage === "started") CRASHES[correlationId]?.(error);
});
