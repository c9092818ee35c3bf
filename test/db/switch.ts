import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A fixed address in front of several servers, as in a failover: open connections stay where they are. */
export interface Switch extends AsyncDisposable {
  readonly port: number;
  /** Routes new connections to this port. */
  turn(target: number): void;
  /** How long no data has passed in either direction, in milliseconds. */
  readonly quietFor: number;
  /** Drops the open connections like a firewall: neither end receives data any more. */
  forget(): void;
}

/** Listens on the loopback interface and routes connections to `target`. */
export async function startSwitch(target: number): Promise<Switch> {
  let current = target;
  let passedAt = performance.now();
  const sockets = new Set<Socket>();
  const track = (socket: Socket, other: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", () => (passedAt = performance.now()));
    socket.on("close", () => {
      sockets.delete(socket);
      other.destroy();
    });
    socket.pipe(other);
  };
  const server = createServer((downstream) => {
    const upstream = connect(current, "127.0.0.1");
    track(downstream, upstream);
    track(upstream, downstream);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    get quietFor() {
      return performance.now() - passedAt;
    },
    turn(port) {
      current = port;
    },
    forget() {
      for (const socket of sockets) socket.unpipe().pause();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
