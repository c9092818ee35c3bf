import type { ChaosSetup } from "../setup.ts";
import type { InjectedFault } from "../scenario.ts";
import type { TestBrokerNode } from "../test-broker.ts";

/** Faults of a cluster of three nodes with quorum queues. */
export const CLUSTER_FAULTS: readonly InjectedFault[] = [
  lose("a node of a cluster killed", (setup) => setup.brokerProxies.findLastIndex(isUnused)),
  lose("the workers' node of a cluster killed", (setup) =>
    setup.brokerProxies.findIndex((proxy) => !isUnused(proxy)),
  ),
];

function lose(name: string, find: (setup: ChaosSetup) => number): InjectedFault {
  let lost: TestBrokerNode | undefined;
  return {
    name,
    databases: ["mysql"],
    cluster: true,
    needsProcesses: true,
    amqp: { queues: "quorum" },
    // The node stays down while the recovery time is measured.
    async inject({ setup }) {
      lost = setup.servers.broker.nodes[find(setup)];
      if (lost === undefined) throw new Error("no such node");
      await lost.kill();
    },
    async repair() {
      await lost?.restart();
    },
  };
}

function isUnused({ connections }: { connections: number }): boolean {
  return connections === 0;
}
