import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { waitUntil } from "../support/servers/scratch.ts";
import { useOwnServer } from "./own-server.ts";
import { assertInTime, type Served, startServed } from "./requests.ts";
import { startSwitch } from "./switch.ts";

const server = useOwnServer();
afterEach(() => server.restoreSettings());

/** Asserts that all requests succeed when sent at once. */
async function assertNoneFails({ worker, requests }: Served, when: string): Promise<void> {
  const chosen = requests.filter(([queue]) => queue !== "group_create");
  const replies = await Promise.all(chosen.map(([queue, request]) => worker.call(queue, request)));
  for (const { resp_code } of replies) assert.ok([200, 204].includes(resp_code), `${when}: ${resp_code}`);
}

test("idle connections that the server closes fail no request", async () => {
  await server.set("wait_timeout", 1); // applies to new sessions
  await using served = await startServed(await server.createDatabase());
  await assertNoneFails(served, "before");
  // The server closes a connection after one second, just as it is used again.
  for (const pause of [980, 990, 1000, 1010, 1020]) {
    await sleep(pause);
    await assertNoneFails(served, `after ${pause} ms`);
  }
});

test("connections that a firewall has dropped fail no request and delay none", async () => {
  const database = await server.createDatabase();
  await using address = await startSwitch(database.port);
  await using served = await startServed({ ...database, port: address.port });
  await assertInTime(async () => {
    await assertNoneFails(served, "before");
    // The worker also polls for events, twice a second.
    await waitUntil("a quiet moment", () => address.quietFor >= 150);
    address.forget();
    const sentAt = performance.now();
    await assertNoneFails(served, "after");
    return performance.now() - sentAt;
  });
});
