import { setTimeout as sleep } from "node:timers/promises";
import type { ChaosSetup } from "../setup.ts";
import type { InjectedFault } from "../scenario.ts";
import type { TestBrokerNode } from "../test-broker.ts";

/** Long enough for the majority to elect new leaders, and for the minority to notice. */
const PARTITION = 8000;

/** What all faults of a broker cluster have in common. */
export const ON_CLUSTER = {
  databases: ["mysql"],
  cluster: true,
  needsProcesses: true,
  amqp: { queues: "quorum" },
} as const satisfies Partial<InjectedFault>;

/** Faults of a cluster of three nodes with quorum queues. */
export const CLUSTER_FAULTS: readonly InjectedFault[] = [
  lose("a node of a cluster killed", findUnused),
  lose("the workers' node of a cluster killed", findUsed),
];

/** A broker node that cannot reach the two others for a while; clients can reach all three. */
export const PARTITION_FAULTS: readonly InjectedFault[] = [
  partition("a broker node cut off for 8 s", findUnused),
  // RabbitMQ 4.3 has no pause_minority: see docs/reliability.md.
  { ...partition("the workers' broker node cut off for 8 s", findUsed), recoveryLimit: 90 },
];

function lose(name: string, find: (setup: ChaosSetup) => TestBrokerNode): InjectedFault {
  let lost: TestBrokerNode | undefined;
  return {
    name,
    ...ON_CLUSTER,
    // The node stays down while the recovery time is measured.
    async inject({ setup }) {
      lost = find(setup);
      await lost.kill();
    },
    async repair() {
      await lost?.restart();
    },
  };
}

function partition(name: string, find: (setup: ChaosSetup) => TestBrokerNode): InjectedFault {
  let node: TestBrokerNode | undefined;
  return {
    name,
    ...ON_CLUSTER,
    async inject({ setup }) {
      node = find(setup);
      if (node.isolate === undefined) throw new Error("the node is not part of a cluster");
      try {
        await node.isolate();
        await sleep(PARTITION);
      } finally {
        await node.rejoin?.();
      }
    },
    async repair() {
      await node?.joined?.();
    },
  };
}

/** A node to which no worker is connected. */
function findUnused({ brokerProxies, servers }: ChaosSetup): TestBrokerNode {
  return getNode(
    servers.broker.nodes,
    brokerProxies.findLastIndex(({ connections }) => connections === 0),
  );
}

/** A node to which a worker is connected. */
export function findUsed({ brokerProxies, servers }: ChaosSetup): TestBrokerNode {
  return getNode(
    servers.broker.nodes,
    brokerProxies.findIndex(({ connections }) => connections > 0),
  );
}

function getNode(nodes: readonly TestBrokerNode[], index: number): TestBrokerNode {
  const node = nodes[index];
  if (node === undefined) throw new Error("no such node");
  return node;
}
