import { isContainer, provideServers } from "../support/servers/sources.ts";
import { startDatabase } from "../support/servers/database.ts";
import { startRabbitMq } from "../support/servers/rabbitmq.ts";
import type { Scratch } from "../support/servers/scratch.ts";
import type { Servers } from "./setup.ts";
import { startCluster } from "./cluster.ts";
import type { InjectedFault } from "./scenario.ts";
import { TestBroker } from "./test-broker.ts";

/** The servers of a run; they are removed with the scratch folder. */
export interface Harness {
  /** The servers for a fault; undefined if they are containers and the fault needs processes. */
  serversFor(fault: InjectedFault): Promise<Servers | undefined>;
}

/** Starts a broker and a database; a cluster is started when it is first needed. */
export async function startHarness(scratch: Scratch, say: (line: string) => void): Promise<Harness> {
  await provideServers(say);
  const [rabbitMq, database] = await Promise.all([startRabbitMq(scratch), startDatabase(scratch)]);
  say(`RabbitMQ ${rabbitMq.version}, ${database.product} ${database.version}`);
  const single = new TestBroker([rabbitMq], [rabbitMq.managementUrl]);
  let cluster: TestBroker | undefined;
  return {
    async serversFor({ needsProcesses, cluster: needsCluster }) {
      const areProcesses = !isContainer("rabbitmq") && !isContainer("database");
      if (needsProcesses === true && !areProcesses) return undefined;
      if (needsCluster !== true) return { scratch, broker: single, database };
      if (cluster === undefined) {
        say("starting a cluster of three nodes");
        cluster = await startCluster(scratch);
      }
      return { scratch, broker: cluster, database };
    },
  };
}
