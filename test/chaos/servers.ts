import { isContainer, provideServers } from "../support/servers/sources.ts";
import { startDatabase } from "../support/servers/database.ts";
import { provideGalera, startGalera } from "../support/servers/galera.ts";
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
      const databases = [database];
      if (needsCluster !== true) return { scratch, broker: single, database, databases };
      if (cluster === undefined) {
        say("starting a cluster of three nodes");
        cluster = await startCluster(scratch);
      }
      return { scratch, broker: cluster, database, databases };
    },
  };
}

/** Starts a RabbitMQ cluster and a Galera cluster for all faults; both are processes. */
export async function startClusters(scratch: Scratch, say: (line: string) => void): Promise<Harness> {
  await provideServers(say, ["rabbitmq"]);
  if (isContainer("rabbitmq")) throw new Error("clusters need a RabbitMQ that is a process on this machine");
  await provideGalera(say);
  say("starting a RabbitMQ cluster and a Galera cluster, each of three nodes");
  const [broker, databases] = await Promise.all([startCluster(scratch), startGalera(scratch, { nodes: 3 })]);
  const [database] = databases;
  if (database === undefined) throw new Error("the Galera cluster has no node");
  const { rabbitmq_version } = (await broker.call("GET", "overview")) as { rabbitmq_version?: string };
  say(`RabbitMQ ${rabbitmq_version ?? "?"}, ${database.product} ${database.version} with Galera`);
  return { serversFor: async () => ({ scratch, broker, database, databases }) };
}
