import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, createConnection, type RowDataPacket } from "mysql2/promise";
import type { DatabaseAddress } from "../support/servers/database-address.ts";

/** How often each node is checked, and how long it may take to answer, in milliseconds. */
const INTERVAL = 250;
const LIMIT = 1000;

/** A TCP relay to the first node of a cluster that takes part in it, like HAProxy with a health check. */
export interface Failover extends AsyncDisposable {
  readonly port: number;
  /** Closes all open connections. */
  cut(): void;
}

/** Starts a relay. A node that fails its check loses its connections; new ones go to the next node. */
export async function startFailover(nodes: readonly DatabaseAddress[]): Promise<Failover> {
  const ended = new AbortController();
  const targets = nodes.map((node) => ({ node, isHealthy: true, sockets: new Set<Socket>() }));
  const drop = (sockets: ReadonlySet<Socket>): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((downstream) => {
    const target = targets.find(({ isHealthy }) => isHealthy);
    if (target === undefined) return void downstream.destroy();
    const upstream = connect(target.node.port, target.node.host);
    for (const [socket, other] of [
      [downstream, upstream],
      [upstream, downstream],
    ] as const) {
      target.sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => undefined); // "close" follows
      socket.on("close", () => {
        target.sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const checks = targets.map(async (target) => {
    const check = new NodeCheck(target.node);
    while (!ended.signal.aborted) {
      target.isHealthy = await check.run();
      if (!target.isHealthy) drop(target.sockets);
      await sleep(INTERVAL, undefined, { signal: ended.signal }).catch(() => undefined);
    }
    check.close();
  });
  return {
    // A listening TCP server has this kind of address.
    port: (server.address() as AddressInfo).port,
    cut: () => targets.forEach(({ sockets }) => drop(sockets)),
    async [Symbol.asyncDispose]() {
      ended.abort();
      for (const { sockets } of targets) drop(sockets);
      server.close();
      await Promise.all(checks);
    },
  };
}

/** Asks a node whether it takes part in its cluster, on one connection while it lasts. */
class NodeCheck {
  readonly #node: DatabaseAddress;
  #connection: Connection | undefined;

  constructor(node: DatabaseAddress) {
    this.#node = node;
  }

  async run(): Promise<boolean> {
    const isReady = await Promise.race([this.#ask().catch(() => false), sleep(LIMIT, false, { ref: false })]);
    if (!isReady) this.close();
    return isReady;
  }

  close(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  async #ask(): Promise<boolean> {
    const { host, port, user, password } = this.#node;
    if (this.#connection === undefined) {
      const connection = await createConnection({ host, port, user, password, connectTimeout: LIMIT });
      connection.on("error", () => undefined); // the next query fails
      this.#connection = connection;
    }
    const [[row]] = await this.#connection.query<RowDataPacket[]>("show status like 'wsrep_ready'");
    return row?.["Value"] === "ON";
  }
}
