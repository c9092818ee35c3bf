import type { InjectedFault } from "../scenario.ts";
import { BROKER_FAULTS } from "./broker.ts";
import { CALLER_FAULTS } from "./callers.ts";
import { CLUSTER_FAULTS, ON_CLUSTER, PARTITION_FAULTS } from "./cluster.ts";
import { DATABASE_FAULTS } from "./databases.ts";
import { GALERA_FAULTS } from "./galera.ts";
import { WORKER_FAULTS } from "./workers.ts";

/** The baseline. */
export const NONE: InjectedFault = {
  name: "none",
  databases: ["mysql", "sqlite"],
  unnoticed: true,
  async inject() {
    // The baseline: no fault.
  },
};

/** All faults of single servers; those that need a cluster come last. */
export const FAULTS: readonly InjectedFault[] = [
  NONE,
  ...BROKER_FAULTS,
  ...WORKER_FAULTS,
  ...CALLER_FAULTS,
  ...DATABASE_FAULTS,
  ...CLUSTER_FAULTS,
];

/** Faults of a RabbitMQ cluster together with a Galera cluster, each of three nodes. */
export const CLUSTERS_FAULTS: readonly InjectedFault[] = [
  { ...NONE, ...ON_CLUSTER },
  ...CALLER_FAULTS.filter(({ copies }) => copies !== undefined).map((fault) => ({ ...fault, ...ON_CLUSTER })),
  ...CLUSTER_FAULTS,
  ...PARTITION_FAULTS,
  ...GALERA_FAULTS,
];
