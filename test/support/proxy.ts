import { once } from "node:events";
import { type AddressInfo, createServer, connect as connectSocket, type Socket } from "node:net";

/** A TCP relay to a server that a test can cut, slow down and restore. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Refuses new connections and closes the open ones. */
  cut(): void;
  /** Accepts connections, and holds back every byte on new and open ones. */
  hang(): void;
  /** Like `hang`, but keeps open connections when the other side closes them, like a frozen peer. */
  freeze(): void;
  /** Relays every byte with this delay in milliseconds, in each direction. */
  delay(ms: number): void;
  /** Number of open connections. */
  readonly connections: number;
  /** Relays immediately again; closes connections that hung. */
  restore(): void;
}

/** Starts a relay to a port on the loopback interface. */
export async function startProxy(target: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let state: "open" | "cut" | "hung" | "frozen" = "open";
  let lateness = 0;
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  };
  const server = createServer((downstream) => {
    track(downstream);
    if (state === "cut") return downstream.destroy();
    const upstream = connectSocket(target, "127.0.0.1");
    track(upstream);
    relay(downstream, upstream);
    relay(upstream, downstream);
    return undefined;
  });
  const relay = (from: Socket, to: Socket): void => {
    // Each timer runs the first queued action, so nothing is reordered when the delay changes.
    const line: (() => void)[] = [];
    let lastDue = 0;
    const later = (work: () => void): void => {
      line.push(work);
      lastDue = Math.max(lastDue, performance.now() + lateness);
      setTimeout(() => line.shift()?.(), Math.max(0, lastDue - performance.now()));
    };
    from.on("data", (chunk: Buffer) => {
      if (state !== "open") return;
      if (lateness === 0 && line.length === 0) to.write(chunk);
      else later(() => to.writable && to.write(chunk));
    });
    from.on("close", () => {
      if (state === "frozen") return;
      if (state !== "open" || (lateness === 0 && line.length === 0)) to.destroy();
      else later(() => to.destroy()); // after the bytes in transit
    });
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      state = "cut";
      drop();
    },
    hang() {
      state = "hung";
    },
    freeze() {
      state = "frozen";
      for (const socket of sockets) socket.allowHalfOpen = true;
    },
    delay(ms) {
      lateness = ms;
    },
    get connections() {
      return sockets.size / 2;
    },
    restore() {
      drop();
      state = "open";
      lateness = 0;
    },
    async [Symbol.asyncDispose]() {
      drop();
      server.close();
      await once(server, "close");
    },
  };
}
