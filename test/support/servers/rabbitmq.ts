import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { containerServer } from "./docker.ts";
import { getProgram, type Mode } from "./install.ts";
import { type Scratch, type Server, waitUntil } from "./scratch.ts";

const HOST = "127.0.0.1";
const USER = "authmq";

/** A private RabbitMQ node with the management plugin, on loopback only. */
export interface RabbitMq {
  /** Without a path: the default vhost. User and password are in it. */
  readonly url: string;
  /** User and password are in it; `fetch` wants them in a header. */
  readonly managementUrl: string;
  readonly host: string;
  readonly port: number;
  readonly version: string;
  /** Changes with every restart; undefined in a container. */
  readonly pid: number | undefined;
  /** Ends the node as `kill -9` does and keeps its data. */
  kill(): Promise<void>;
  /** Ends the node if it still runs and brings it up again on the same ports and data. */
  restart(): Promise<void>;
  /** Complete on return; may be called twice. */
  stop(): Promise<void>;
}

interface Ports {
  amqp: number;
  management: number;
}

/** Starts RabbitMQ and resolves when it takes AMQP connections and its management API answers. */
export async function startRabbitMq(scratch: Scratch, { mode }: { mode: Mode }): Promise<RabbitMq> {
  const ports: Ports = { amqp: await scratch.freePort(), management: await scratch.freePort() };
  const password = randomBytes(12).toString("hex");
  const { node, epmd } =
    mode === "docker"
      ? { node: inContainer(scratch, ports, password), epmd: undefined }
      : await installed(scratch, ports, password);

  const start = async (): Promise<string> => {
    await node.start();
    return waitUntil("RabbitMQ", () => probe(ports, password), { died: () => node.died() });
  };
  await epmd?.start();
  const version = await start();
  return {
    url: `amqp://${USER}:${password}@${HOST}:${ports.amqp}`,
    managementUrl: `http://${USER}:${password}@${HOST}:${ports.management}`,
    host: HOST,
    port: ports.amqp,
    version,
    get pid() {
      return node.pid;
    },
    kill: () => node.kill(),
    async restart() {
      await node.kill();
      await start();
    },
    async stop() {
      // Nothing of the scratch folder is kept, so nobody waits four seconds for an orderly goodbye.
      await node.kill();
      await epmd?.kill();
    },
  };
}

async function installed(
  scratch: Scratch,
  ports: Ports,
  password: string,
): Promise<{ node: Server; epmd: Server }> {
  const name = `rabbitmq-${ports.amqp}`;
  const folder = scratch.subfolder(name);
  const file = (path: string, text: string, permissions = 0o600): string => {
    writeFileSync(join(folder, path), text, { mode: permissions });
    return join(folder, path);
  };
  file(".erlang.cookie", randomBytes(16).toString("hex"), 0o400);
  const distribution = await scratch.freePort();
  const epmdPort = await scratch.freePort();
  const env = {
    HOME: folder,
    LANG: "C.UTF-8",
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    ERL_EPMD_ADDRESS: HOST,
    ERL_EPMD_PORT: String(epmdPort),
    // A node whose epmd has gone starts one as a daemon that outlives everything: seen when both ended at once.
    ERL_ZFLAGS: "-start_epmd false",
    RABBITMQ_NODENAME: `authmq-${ports.amqp}@localhost`,
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_CONF_ENV_FILE: file("rabbitmq-env.conf", ""),
    RABBITMQ_CONFIG_FILE: file(
      "rabbitmq.conf",
      [
        `listeners.tcp.1 = ${HOST}:${ports.amqp}`,
        `management.tcp.ip = ${HOST}`,
        `management.tcp.port = ${ports.management}`,
        `default_user = ${USER}`,
        `default_pass = ${password}`,
        "",
      ].join("\n"),
    ),
    RABBITMQ_CONFIG_FILES: scratch.subfolder(`${name}/conf.d`),
    RABBITMQ_ADVANCED_CONFIG_FILE: file("advanced.config", "[].\n"),
    RABBITMQ_ENABLED_PLUGINS_FILE: file("enabled_plugins", "[rabbitmq_management].\n"),
    RABBITMQ_MNESIA_BASE: scratch.subfolder(`${name}/mnesia`),
    RABBITMQ_MNESIA_DIR: join(folder, "mnesia", "node"),
    RABBITMQ_LOG_BASE: scratch.subfolder(`${name}/log`),
    RABBITMQ_PID_FILE: join(folder, "rabbitmq.pid"),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
    // As under systemd the start script becomes the node itself: the process that we know is the one that serves.
    RUNNING_UNDER_SYSTEMD: "true",
  };
  return {
    node: scratch.process(getProgram("/usr/lib/rabbitmq/bin/rabbitmq-server"), [], { name, env }),
    // Started here, so that it is known by its pid.
    epmd: scratch.process(getProgram("epmd"), ["-address", HOST, "-port", String(epmdPort)], {
      name: `epmd-${ports.amqp}`,
      env,
    }),
  };
}

function inContainer(scratch: Scratch, ports: Ports, password: string): Server {
  return containerServer(scratch, {
    name: "authmq-rabbitmq",
    image: "rabbitmq:4-management",
    env: { RABBITMQ_DEFAULT_USER: USER, RABBITMQ_DEFAULT_PASS: password },
    ports: new Map([
      [ports.amqp, 5672],
      [ports.management, 15672],
    ]),
  });
}

/** The version, once both doors are open. */
async function probe(ports: Ports, password: string): Promise<string | undefined> {
  const authorization = `Basic ${Buffer.from(`${USER}:${password}`).toString("base64")}`;
  const url = `http://${HOST}:${ports.management}/api/overview`;
  const response = await fetch(url, { headers: { authorization }, signal: AbortSignal.timeout(5_000) });
  if (!response.ok) return undefined;
  const { rabbitmq_version: version } = (await response.json()) as { rabbitmq_version: string };
  await greet(ports.amqp);
  return version;
}

/** A listening port is not enough: the broker must answer the protocol header with connection.start. */
async function greet(port: number): Promise<void> {
  const socket = connect(port, HOST);
  socket.on("error", () => undefined); // the broker resets a connection that goes away in the middle
  socket.setTimeout(2_000, () => socket.destroy(new Error("no answer to the AMQP header")));
  try {
    socket.write(Buffer.from("AMQP\x00\x00\x09\x01", "latin1"));
    await once(socket, "data");
  } finally {
    socket.destroy();
  }
}
