import type { NodeFacts } from "../../amqp/probe.ts";
import type { QueueProfile } from "../../config/sections/amqp.ts";
import type { Finding, findingsOn } from "./finding.ts";

const ADVICE = "Set amqp_settings.queues to durable or quorum.";

/** Checks that this broker supports a queue profile; `inUse`: queues with the profile already exist. */
export function profileFindings(
  on: ReturnType<typeof findingsOn>,
  profile: QueueProfile,
  { product, version }: NodeFacts,
  inUse: boolean,
): Finding[] {
  if (product !== "RabbitMQ") return [];
  const broker = `${product} ${version}`;
  if (profile === "quorum" && isOlder(version, 3, 8))
    return [on.fail(`${broker} has no quorum queues`, "Set amqp_settings.queues to durable.")];
  if (profile !== "transient" || isOlder(version, 4, 0)) return [];
  // An operator can allow transient queues on 4.3; existing ones prove it.
  return isOlder(version, 4, 3) || inUse
    ? [on.warn(`transient queues are deprecated: ${broker} supports them, later versions will not`, ADVICE)]
    : [on.fail(`${broker} refuses transient queues, and closes the connection that declares one`, ADVICE)];
}

function isOlder(version: string, major: number, minor: number): boolean {
  const [first = 0, second = 0] = version.split(".").map(Number);
  return first < major || (first === major && second < minor);
}
