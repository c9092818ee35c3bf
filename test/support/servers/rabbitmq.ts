import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { containerServer } from "./docker.ts";
import { configFolder, portMapper, RABBITMQ_USER, rabbitMqNode } from "./rabbitmq-node.ts";
import { type Scratch, type Server, waitUntil } from "./scratch.ts";
import { sourceOf } from "./sources.ts";

const HOST = "127.0.0.1";

/** A private RabbitMQ node on loopback, with the management plugin. */
export interface RabbitMq {
  readonly product: "RabbitMQ";
  /** The URL of the default vhost, with username and password. */
  readonly url: string;
  /** With username and password; `fetch` needs them in a header. */
  readonly managementUrl: string;
  readonly host: string;
  readonly port: number;
  readonly version: string;
  /** Changes with every restart; undefined in a container. */
  readonly pid: number | undefined;
  /** The node reads its *.conf files at each start; undefined in a container. */
  readonly configFolder: string | undefined;
  /** Kills the node with SIGKILL; keeps its data. */
  kill(): Promise<void>;
  /** Stops the node if it runs, and starts it again with the same ports and data. */
  restart(): Promise<void>;
  /** Resolves when it has ended; may be called twice. */
  stop(): Promise<void>;
}

interface Ports {
  amqp: number;
  management: number;
}

interface Options extends Pick<Parameters<typeof rabbitMqNode>[1], "plugins" | "advanced" | "busyWait"> {
  /** Additional configuration files by name; like plugins not available in a container. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Starts RabbitMQ, and resolves when it accepts AMQP connections and its management API responds. */
export async function startRabbitMq(scratch: Scratch, options: Options = {}): Promise<RabbitMq> {
  const ports: Ports = { amqp: await scratch.freePort(), management: await scratch.freePort() };
  const password = randomBytes(12).toString("hex");
  const source = sourceOf("rabbitmq");
  const { node, epmd, folder } =
    source.kind === "image"
      ? { node: inContainer(scratch, source.image, ports, password), epmd: undefined, folder: undefined }
      : await installed(scratch, ports, password, options);

  const start = async (): Promise<string> => {
    await node.start();
    return waitUntil("RabbitMQ", () => probe(ports, password), { died: () => node.died() });
  };
  await epmd?.start();
  const version = await start();
  return {
    product: "RabbitMQ",
    url: `amqp://${RABBITMQ_USER}:${password}@${HOST}:${ports.amqp}`,
    managementUrl: `http://${RABBITMQ_USER}:${password}@${HOST}:${ports.management}`,
    host: HOST,
    port: ports.amqp,
    version,
    configFolder: folder,
    get pid() {
      return node.pid;
    },
    kill: () => node.kill(),
    async restart() {
      await node.kill();
      await start();
    },
    async stop() {
      // No data is kept, so do not wait four seconds for an orderly stop.
      await node.kill();
      await epmd?.kill();
    },
  };
}

async function installed(
  scratch: Scratch,
  ports: Ports,
  password: string,
  { files = {}, ...options }: Options,
): Promise<{ node: Server; epmd: Server; folder: string }> {
  const epmd = await scratch.freePort();
  const name = `rabbitmq-${ports.amqp}`;
  const folder = configFolder(scratch, name);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  const node = rabbitMqNode(scratch, {
    ...options,
    ...ports,
    name,
    nodeName: `authmq-${ports.amqp}@localhost`,
    distribution: await scratch.freePort(),
    epmd,
    cookie: randomBytes(16).toString("hex"),
    password,
    schedulers: 2,
  });
  return { node, epmd: portMapper(scratch, epmd), folder };
}

function inContainer(scratch: Scratch, image: string, ports: Ports, password: string): Server {
  return containerServer(scratch, {
    name: "authmq-rabbitmq",
    image,
    env: { RABBITMQ_DEFAULT_USER: RABBITMQ_USER, RABBITMQ_DEFAULT_PASS: password },
    ports: new Map([
      [ports.amqp, 5672],
      [ports.management, 15672],
    ]),
  });
}

/** The version, once both AMQP and the management API respond. */
async function probe(ports: Ports, password: string): Promise<string | undefined> {
  const authorization = `Basic ${Buffer.from(`${RABBITMQ_USER}:${password}`).toString("base64")}`;
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
  socket.on("error", () => undefined); // the broker resets a connection that is closed during the handshake
  socket.setTimeout(2_000, () => socket.destroy(new Error("no answer to the AMQP header")));
  try {
    socket.write(Buffer.from("AMQP\x00\x00\x09\x01", "latin1"));
    await once(socket, "data");
  } finally {
    socket.destroy();
  }
}
