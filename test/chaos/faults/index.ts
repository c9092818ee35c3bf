import type { InjectedFault } from "../scenario.ts";
import { BROKER_FAULTS } from "./broker.ts";
import { CALLER_FAULTS } from "./callers.ts";
import { CLUSTER_FAULTS } from "./cluster.ts";
import { DATABASE_FAULTS } from "./databases.ts";
import { WORKER_FAULTS } from "./workers.ts";

/** All faults; those that need a cluster come last. */
export const FAULTS: readonly InjectedFault[] = [
  {
    name: "none",
    databases: ["mysql", "sqlite"],
    unnoticed: true,
    async inject() {
      // The baseline: no fault.
    },
  },
  ...BROKER_FAULTS,
  ...WORKER_FAULTS,
  ...CALLER_FAULTS,
  ...DATABASE_FAULTS,
  ...CLUSTER_FAULTS,
];
