import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { getProgram } from "../support/servers/install.ts";
import { type Scratch, type Server, waitUntil } from "../support/servers/scratch.ts";
import { BrokerSite } from "./site.ts";

const HOST = "127.0.0.1";
const USER = "authmq";
const NODES = 3;

interface NodeAddress {
  /** The node's name in the cluster. */
  readonly name: string;
  readonly amqp: number;
  readonly management: number;
  readonly distribution: number;
}

/** What all nodes share. */
interface Cluster {
  readonly nodes: readonly NodeAddress[];
  readonly password: string;
  readonly cookie: string;
  readonly epmd: number;
}

/** Starts a RabbitMQ of three nodes that are one cluster, on loopback only; it goes with the scratch. */
export async function startCluster(scratch: Scratch): Promise<BrokerSite> {
  const nodes: NodeAddress[] = [];
  for (let index = 0; index < NODES; index++) {
    const amqp = await scratch.freePort();
    const [management, distribution] = [await scratch.freePort(), await scratch.freePort()];
    nodes.push({ name: `authmq-${amqp}@localhost`, amqp, management, distribution });
  }
  const secret = (): string => randomBytes(16).toString("hex");
  const cluster = { nodes, password: secret(), cookie: secret(), epmd: await scratch.freePort() };
  const epmd = scratch.process(getProgram("epmd"), ["-address", HOST, "-port", String(cluster.epmd)], {
    name: `epmd-${cluster.epmd}`,
    env: { PATH: process.env["PATH"] },
  });
  await epmd.start();
  const servers = nodes.map((node) => prepareNode(scratch, cluster, node));
  const start = async (index: number): Promise<void> => {
    const server = servers[index];
    const node = nodes[index];
    if (server === undefined || node === undefined) throw new Error(`there is no node ${index}`);
    await server.start();
    await waitUntil(node.name, () => answers(cluster, node), { seconds: 120, died: () => server.died() });
  };
  // The first one makes the cluster that the others find.
  await start(0);
  for (let index = 1; index < NODES; index++) await start(index);
  return new BrokerSite(
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
    })),
    nodes.map(({ management }) => `http://${USER}:${cluster.password}@${HOST}:${management}`),
  );
}

function prepareNode(
  scratch: Scratch,
  { nodes, password, cookie, epmd }: Cluster,
  node: NodeAddress,
): Server {
  const name = `cluster-${node.amqp}`;
  const folder = scratch.subfolder(name);
  const file = (path: string, text: string, mode = 0o600): string => {
    writeFileSync(join(folder, path), text, { mode });
    return join(folder, path);
  };
  file(".erlang.cookie", cookie, 0o400);
  const settings = [
    `listeners.tcp.1 = ${HOST}:${node.amqp}`,
    `management.tcp.ip = ${HOST}`,
    `management.tcp.port = ${node.management}`,
    `default_user = ${USER}`,
    `default_pass = ${password}`,
    "cluster_formation.peer_discovery_backend = classic_config",
    ...nodes.map((one, index) => `cluster_formation.classic_config.nodes.${index + 1} = ${one.name}`),
    "",
  ];
  const env = {
    HOME: folder,
    LANG: "C.UTF-8",
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    ERL_EPMD_ADDRESS: HOST,
    ERL_EPMD_PORT: String(epmd),
    // A node whose epmd has gone would start one as a daemon that outlives everything.
    ERL_ZFLAGS: "-start_epmd false",
    RABBITMQ_NODENAME: node.name,
    RABBITMQ_DIST_PORT: String(node.distribution),
    RABBITMQ_CONF_ENV_FILE: file("rabbitmq-env.conf", ""),
    RABBITMQ_CONFIG_FILE: file("rabbitmq.conf", settings.join("\n")),
    RABBITMQ_CONFIG_FILES: scratch.subfolder(`${name}/conf.d`),
    RABBITMQ_ADVANCED_CONFIG_FILE: file("advanced.config", "[].\n"),
    RABBITMQ_ENABLED_PLUGINS_FILE: file("enabled_plugins", "[rabbitmq_management].\n"),
    RABBITMQ_MNESIA_BASE: scratch.subfolder(`${name}/mnesia`),
    RABBITMQ_MNESIA_DIR: join(folder, "mnesia", "node"),
    RABBITMQ_LOG_BASE: scratch.subfolder(`${name}/log`),
    RABBITMQ_PID_FILE: join(folder, "rabbitmq.pid"),
    // Three nodes share the processors with everything else.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
    // The start script becomes the node itself: the process that is known here is the one that serves.
    RUNNING_UNDER_SYSTEMD: "true",
  };
  return scratch.process(getProgram("/usr/lib/rabbitmq/bin/rabbitmq-server"), [], { name, env });
}

/** Whether a node serves and sees all the others that serve. */
async function answers({ password }: Cluster, { management, name }: NodeAddress): Promise<true | undefined> {
  const authorization = `Basic ${Buffer.from(`${USER}:${password}`).toString("base64")}`;
  const response = await fetch(`http://${HOST}:${management}/api/nodes/${name}`, {
    headers: { authorization },
    signal: AbortSignal.timeout(5000),
  });
  if (!response.ok) return undefined;
  const { running } = (await response.json()) as { running?: boolean };
  return running === true ? true : undefined;
}
