import type { NodeFacts, QueueFacts } from "../../amqp/probe.ts";
import type { QueueMismatchError } from "../../amqp/topology.ts";
import type { QueueProfile } from "../../config/sections/amqp.ts";
import { type Finding, findingsOn } from "./finding.ts";
import { profileFindings } from "./profile.ts";

const on = findingsOn("broker");

type FoundQueues = ReadonlyMap<string, QueueFacts>;

/** Checks that the broker supports the profile, existing queues fit it, and workers consume them. */
export function queueFindings(profile: QueueProfile, broker: NodeFacts, queues: FoundQueues): Finding[] {
  const existing = [...queues].flatMap(([name, facts]) => (facts.exists ? { name, ...facts } : []));
  const fitting = existing.some(({ mismatch }) => mismatch === undefined);
  const mismatches = existing.flatMap(({ name, mismatch }) =>
    mismatch === undefined ? [] : { name, mismatch },
  );
  const alike = Map.groupBy(mismatches, ({ mismatch }) => JSON.stringify(mismatch.difference));
  return [
    ...profileFindings(on, profile, broker, fitting),
    ...[...alike.values()].map((group) => mismatchFinding(profile, group)),
    ...workerFindings(queues),
  ];
}

/** One finding for all queues with the same difference: after a change of the profile, all of them differ. */
function mismatchFinding(
  profile: QueueProfile,
  group: readonly { readonly name: string; readonly mismatch: QueueMismatchError }[],
): Finding {
  const names = group.map(({ name }) => name).join(", ");
  const fit = group.length === 1 ? "does not fit" : "do not fit";
  const [reason = ""] = group.map(({ mismatch: { difference } }) => {
    const { argument, wanted, found } = difference;
    return `${argument} is ${found}, expected ${wanted}`;
  });
  return on.fail(`${names} ${fit} amqp_settings.queues ${profile}: ${reason}`, group[0]?.mismatch.advice);
}

/** Queues that do not fit are already reported, and have no worker. */
function workerFindings(queues: FoundQueues): Finding[] {
  const others = [...queues].filter(([, facts]) => facts.mismatch === undefined);
  if (others.length === 0) return [];
  const counts = others.map(([, facts]) => facts.consumers);
  const idle = others.filter((_, index) => counts[index] === 0).map(([name]) => name);
  if (idle.length === 0) {
    const least = Math.min(...counts);
    return [
      on.ok(`${others.length} queues, each with ${least === 1 ? "a worker" : `${least} workers or more`}`),
    ];
  }
  const which = idle.length === queues.size ? `any of the ${idle.length} queues` : idle.join(", ");
  return [on.warn(`no worker consumes ${which}`, "Start one: authmq serve")];
}
