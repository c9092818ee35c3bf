import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { waitUntil } from "../support/servers/scratch.ts";
import { useOwnServer } from "./own-server.ts";
import { assertInTime, type Served, startServed } from "./requests.ts";
import { startSwitch } from "./switch.ts";

const server = useOwnServer();
afterEach(() => server.restoreSettings());

/** Asserts that all requests at once are answered by nothing but success. */
async function assertNoneFails({ worker, requests }: Served, when: string): Promise<void> {
  const chosen = requests.filter(([queue]) => queue !== "group_create");
  const replies = await Promise.all(chosen.map(([queue, request]) => worker.call(queue, request)));
  for (const { resp_code } of replies) assert.ok([200, 204].includes(resp_code), `${when}: ${resp_code}`);
}

test("connections that the server closes because they are idle fail no request", async () => {
  await server.set("wait_timeout", 1); // of sessions that begin from now on
  await using served = await startServed(await server.createDatabase());
  await assertNoneFails(served, "before");
  // The server closes one after a whole second, just when it is used again.
  for (const pause of [980, 990, 1000, 1010, 1020]) {
    await sleep(pause);
    await assertNoneFails(served, `after ${pause} ms`);
  }
});

test("connections that a firewall has forgotten fail no request, and hold none up", async () => {
  const database = await server.createDatabase();
  await using address = await startSwitch(database.port);
  await using served = await startServed({ ...database, port: address.port });
  await assertInTime(async () => {
    await assertNoneFails(served, "before");
    // The worker looks for events by itself, too: twice a second.
    await waitUntil("a quiet moment", () => address.quietFor >= 150);
    address.forget();
    const sentAt = performance.now();
    await assertNoneFails(served, "after");
    return performance.now() - sentAt;
  });
});
