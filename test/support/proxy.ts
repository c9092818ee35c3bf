import { once } from "node:events";
import { type AddressInfo, createServer, connect as connectSocket, type Socket } from "node:net";

/** A TCP relay to a server that a test can cut off, slow down and bring back. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Refuses new connections and ends the open ones. */
  cut(): void;
  /** Accepts connections, and holds back every byte on new and open ones. */
  hang(): void;
  /** As `hang`, and open connections are not ended when the other side ends them: a peer that is frozen. */
  freeze(): void;
  /** Relays every byte so many milliseconds late, each way. */
  delay(ms: number): void;
  /** How many connections are open. */
  readonly connections: number;
  /** Relays again, at once; connections that hung are ended. */
  restore(): void;
}

/** A relay to a port on the loopback interface. */
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
    // Each timer does what is first in line, so nothing overtakes what is on its way when the delay changes.
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
      else later(() => to.destroy()); // behind the bytes that are on their way
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
