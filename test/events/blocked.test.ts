import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { amqpUrl } from "../support/rabbitmq.ts";
import { listenForEvents } from "../support/event-listener.ts";
import { dataOf } from "../support/replies.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";

/** A proxy to the broker that can pause only the connection for events, like a broker that blocks it. */
async function startProxy(): Promise<{ port: number; stop(): void; go(): void } & AsyncDisposable> {
  const { port: target } = new URL(amqpUrl);
  const sockets = new Set<Socket>();
  const forEvents = new Set<Socket>();
  const server = createServer((down) => {
    const up = connectSocket(Number(target), "127.0.0.1");
    for (const socket of [down, up]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
    }
    down.on("data", (chunk) => {
      // The client sends its connection name during the handshake.
      if (chunk.includes("authmq events")) forEvents.add(down);
      up.write(chunk);
    });
    up.on("data", (chunk) => down.write(chunk));
    down.on("close", () => up.destroy());
    up.on("close", () => down.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    stop() {
      assert.notEqual(forEvents.size, 0);
      for (const socket of forEvents) socket.pause();
    },
    go() {
      for (const socket of forEvents) socket.resume();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

test("a blocked connection for events delays events and no reply", async () => {
  await using proxy = await startProxy();
  await using worker = await startWorker({
    config: { amqp_settings: { port: proxy.port }, event_settings: {} },
  });
  await using listener = await listenForEvents(worker.url.replace(/:\d+\//, `:${proxy.port}/`));
  const access_token = await worker.accessToken("chief", ["admin"]);
  const create = async (groupname: string): Promise<void> => {
    dataOf(await worker.call("group_create", { groupname, access_token }, 2000));
  };
  await create("before");
  await listener.typesOf(undefined, 1);
  proxy.stop();
  // Each of these calls would time out if it waited for its event, which the relay discards after two seconds.
  for (let index = 0; index < 20; index++) await create(`meanwhile-${index}`);
  const waiting = await worker.db
    .selectFrom("event")
    .select("id")
    .where("published_at", "is", null)
    .execute();
  assert.ok(waiting.length >= 20, `${waiting.length} events`);
  proxy.go();
  await waitUntil("all events", () => new Set(listener.events.map(({ body }) => body.id)).size === 21, {
    seconds: 20,
  });
});
