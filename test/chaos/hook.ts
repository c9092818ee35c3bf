/**
 * Loaded into a worker's process before its own code: records every stage of every request, and kills the process with
 * SIGKILL where the plan in CHAOS_PLAN says so. Not part of the published package.
 */
import { subscribe } from "node:diagnostics_channel";
import { existsSync, openSync, writeSync } from "node:fs";
import type { StageMessage } from "../../src/observability/stages.ts";
import type { Plan } from "./plan.ts";

const plan = JSON.parse(process.env["CHAOS_PLAN"] ?? "{}") as Plan;
const trace = openSync(plan.trace, "a");
let seen = 0;

subscribe("authmq.request.stage", (message) => {
  const { stage, queue, correlationId = "-" } = message as StageMessage;
  // Synchronously, so that the last lines survive the process.
  writeSync(trace, `${Date.now()} ${process.pid} ${stage} ${queue} ${correlationId}\n`);
  if (isDeadly(stage, correlationId)) process.kill(process.pid, "SIGKILL");
});

function isDeadly(stage: string, correlationId: string): boolean {
  const { kill, armed } = plan;
  if (kill?.stage !== stage) return false;
  if (kill.prefix !== undefined) return correlationId.startsWith(kill.prefix);
  return ++seen >= kill.every && existsSync(armed);
}
