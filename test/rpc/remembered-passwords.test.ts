import assert from "node:assert/strict";
import { after, test } from "node:test";
import { scrape } from "../observability/endpoints.ts";
import { connectKeyed } from "../support/keyed-caller.ts";
import { Scratch } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";

const scratch = new Scratch();
after(() => scratch.close());

test("a caller who knows a registration's idempotency key pays one hash per guess of its password", async () => {
  const port = await scratch.freePort();
  await using worker = await startWorker({
    config: { app_config: { allow_registration: true }, health_settings: { port } },
  });
  await using caller = await connectKeyed(worker);
  const hashes = async (): Promise<number> =>
    (await scrape(port)).value("authmq_hash_duration_seconds_count");
  const register = (password: string) =>
    caller.call("a key", "user_register", {
      username: "alice",
      password,
      password_confirm: password,
      email: "alice@example.com",
    });
  const first = await register("correct horse");
  assert.equal(first.resp_code, 200);
  for (let round = 0; round < 3; round++) {
    const before = await hashes();
    assert.equal((await register("wrong horse")).resp_code, 409);
    assert.equal((await hashes()) - before, 1);
  }
  assert.deepEqual(await register("correct horse"), first);
});
