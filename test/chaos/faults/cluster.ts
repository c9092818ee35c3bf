import type { Arena } from "../arena.ts";
import type { Fault } from "../scenario.ts";
import type { BrokerNode } from "../site.ts";

/** What can happen to a cluster of three nodes; its queues are quorum queues. */
export const CLUSTER_FAULTS: readonly Fault[] = [
  lose("a node of a cluster killed", (arena) => arena.brokerProxies.findLastIndex(isUnused)),
  lose("the workers' node of a cluster killed", (arena) =>
    arena.brokerProxies.findIndex((proxy) => !isUnused(proxy)),
  ),
];

function lose(name: string, find: (arena: Arena) => number): Fault {
  let lost: BrokerNode | undefined;
  return {
    name,
    databases: ["mariadb"],
    cluster: true,
    needsProcesses: true,
    amqp: { queues: "quorum" },
    // The others must do without it: the time to recover begins with its end.
    async inject({ arena }) {
      lost = arena.servers.broker.nodes[find(arena)];
      if (lost === undefined) throw new Error("there is no such node");
      await lost.kill();
    },
    async mend() {
      await lost?.restart();
    },
  };
}

function isUnused({ connections }: { connections: number }): boolean {
  return connections === 0;
}
