import assert from "node:assert/strict";
import { test } from "node:test";
import { startExample } from "../support/example.ts";
import { dataOf } from "../support/replies.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";

const PASSWORD = "correct horse battery";

test("the fastify example with the broker's address rejects the tokens of a revoked session, and no others", async () => {
  await using worker = await startWorker({ config: { app_config: { sessions_per_user: 2 } } });
  await worker.addUser("alice", PASSWORD);
  await using example = await startExample(worker, "fastify/server.ts", { PORT: "0", AMQP_URL: worker.url });
  const [origin] = /http:\/\/127\.0\.0\.1:\d+/.exec(example.output) ?? [example.output];
  const statusFor = async (token: string): Promise<number> =>
    (await fetch(`${origin}/me`, { headers: { authorization: `Bearer ${token}` } })).status;

  const id_token = await worker.login("alice", PASSWORD, { client: "Phone" });
  const onPhone = String(dataOf(await worker.call("token", { id_token }))["access_token"]);
  const onLaptop = await worker.ownToken("alice", PASSWORD, { client: "Laptop" });
  assert.deepEqual([await statusFor(onPhone), await statusFor(onLaptop)], [200, 200]);
  dataOf(await worker.call("logout", { id_token }));
  await waitUntil("the revocation", async () => ((await statusFor(onPhone)) === 401 ? true : undefined), {
    seconds: 10,
  });
  assert.equal(await statusFor(onLaptop), 200);
});
