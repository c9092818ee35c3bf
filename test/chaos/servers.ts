import { provideServers } from "../support/servers/install.ts";
import { startMariaDb } from "../support/servers/mariadb.ts";
import { startRabbitMq } from "../support/servers/rabbitmq.ts";
import type { Scratch } from "../support/servers/scratch.ts";
import type { Servers } from "./setup.ts";
import { startCluster } from "./cluster.ts";
import type { InjectedFault } from "./scenario.ts";
import { TestBroker } from "./test-broker.ts";

/** The servers of a run of the harness; all of them go with the scratch. */
export interface Harness {
  /** The servers that a fault is done to; undefined where they are containers that it cannot be done to. */
  serversFor(fault: InjectedFault): Promise<Servers | undefined>;
}

/** Starts a broker and a database of one's own; a cluster follows when it is first asked for. */
export async function startHarness(scratch: Scratch, say: (line: string) => void): Promise<Harness> {
  const modes = await provideServers(say);
  const [rabbitMq, mariadb] = await Promise.all([
    startRabbitMq(scratch, { mode: modes.rabbitmq }),
    startMariaDb(scratch, { mode: modes.mariadb }),
  ]);
  say(`RabbitMQ ${rabbitMq.version}, MariaDB ${mariadb.version}`);
  const single = new TestBroker([rabbitMq], [rabbitMq.managementUrl]);
  let cluster: TestBroker | undefined;
  return {
    async serversFor({ needsProcesses, cluster: needsCluster }) {
      const areProcesses = modes.rabbitmq === "installed" && modes.mariadb === "installed";
      if (needsProcesses === true && !areProcesses) return undefined;
      if (needsCluster !== true) return { scratch, broker: single, mariadb };
      if (cluster === undefined) {
        say("starting a cluster of three nodes");
        cluster = await startCluster(scratch);
      }
      return { scratch, broker: cluster, mariadb };
    },
  };
}
