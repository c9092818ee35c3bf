import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { portMapper, RABBITMQ_USER, rabbitMqNode } from "../support/servers/rabbitmq-node.ts";
import { type Scratch, waitUntil } from "../support/servers/scratch.ts";
import { control } from "./control.ts";
import { TestBroker } from "./test-broker.ts";

const HOST = "127.0.0.1";
const NODES = 3;

interface NodeAddress {
  /** Erlang node name. */
  readonly name: string;
  readonly amqp: number;
  readonly management: number;
  readonly distribution: number;
}

/** Settings of all nodes. */
interface Cluster {
  readonly nodes: readonly NodeAddress[];
  readonly password: string;
  readonly cookie: string;
  readonly epmd: number;
}

/** Starts a RabbitMQ cluster of three nodes on loopback; it is removed with the scratch folder. */
export async function startCluster(scratch: Scratch): Promise<TestBroker> {
  const nodes: NodeAddress[] = [];
  for (let index = 0; index < NODES; index++) {
    const amqp = await scratch.freePort();
    const [management, distribution] = [await scratch.freePort(), await scratch.freePort()];
    nodes.push({ name: `authmq-${amqp}@localhost`, amqp, management, distribution });
  }
  const secret = (): string => randomBytes(16).toString("hex");
  const cluster = { nodes, password: secret(), cookie: secret(), epmd: await scratch.freePort() };
  await portMapper(scratch, cluster.epmd).start();
  const servers = nodes.map((node) =>
    rabbitMqNode(scratch, {
      ...cluster,
      ...node,
      nodeName: node.name,
      name: `cluster-${node.amqp}`,
      schedulers: 1, // three nodes share the processors with all other processes
      settings: [
        "cluster_formation.peer_discovery_backend = classic_config",
        // The recommended mode for three nodes. Without it, 3.10 needs an operator after a partition.
        "cluster_partition_handling = pause_minority",
        ...nodes.map((one, index) => `cluster_formation.classic_config.nodes.${index + 1} = ${one.name}`),
      ],
    }),
  );
  const start = async (index: number): Promise<void> => {
    const server = servers[index];
    const node = nodes[index];
    if (server === undefined || node === undefined) throw new Error(`node ${index} does not exist`);
    await server.start();
    const isUp = async (): Promise<boolean> =>
      (await isServing(cluster, node, node)) === true && (await isListening(node));
    await waitUntil(node.name, isUp, { seconds: 120, died: () => server.died() });
  };
  const peersOf = (index: number): string => {
    const peers = nodes.filter((node) => node !== nodes[index]).map(({ name }) => `'${name}'`);
    return `[${peers.join(",")}]`;
  };
  const evaluate = async (index: number, text: string): Promise<void> => {
    const pid = servers[index]?.pid;
    if (pid === undefined) throw new Error(`node ${index} does not run`);
    await control(pid, "eval", text);
  };
  const joined = async (): Promise<void> => {
    for (const observer of nodes)
      for (const node of nodes)
        await waitUntil(`${observer.name} sees ${node.name}`, () => isServing(cluster, observer, node), {
          seconds: 60,
        });
  };
  // All at once: in RabbitMQ 4, a node waits for the others.
  await Promise.all(nodes.map((_, index) => start(index)));
  await joined();
  return new TestBroker(
    nodes.map(({ amqp }, index) => ({
      port: amqp,
      get pid() {
        return servers[index]?.pid;
      },
      kill: async () => servers[index]?.kill(),
      async restart() {
        await servers[index]?.kill();
        await start(index);
      },
      // With another cookie for its peers, a node can neither connect to them nor accept a connection from them.
      isolate: () =>
        evaluate(
          index,
          `[begin erlang:set_cookie(N, cut_off), erlang:disconnect_node(N) end || N <- ${peersOf(index)}].`,
        ),
      rejoin: () => evaluate(index, `[erlang:set_cookie(N, erlang:get_cookie()) || N <- ${peersOf(index)}].`),
      joined,
    })),
    nodes.map(({ management }) => `http://${RABBITMQ_USER}:${cluster.password}@${HOST}:${management}`),
  );
}

/** Whether a node accepts clients, which is the last step of its start. */
async function isListening({ amqp }: NodeAddress): Promise<true> {
  const socket = connect(amqp, HOST);
  await once(socket, "connect").finally(() => socket.destroy());
  return true;
}

/** Whether a node responds and sees another one, or itself, running. */
async function isServing(
  { password }: Cluster,
  { management }: NodeAddress,
  { name }: NodeAddress,
): Promise<true | undefined> {
  const authorization = `Basic ${Buffer.from(`${RABBITMQ_USER}:${password}`).toString("base64")}`;
  const response = await fetch(`http://${HOST}:${management}/api/nodes/${name}`, {
    headers: { authorization },
    signal: AbortSignal.timeout(5000),
  });
  if (!response.ok) return undefined;
  const { running } = (await response.json()) as { running?: boolean };
  return running === true ? true : undefined;
}
