import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { recordEvent, type RecordedEvent } from "../../src/db/queries/events.ts";
import { createRelay, type Relay } from "../../src/events/relay.ts";
import { parseConfig } from "../../src/config/load.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { DATABASES, type DatabaseKind, provision } from "../support/worker.ts";

/** A relay with its own database, whose sink takes `delay` milliseconds for each event. */
async function startSlowRelay(database: DatabaseKind, delay: number, names: readonly string[]) {
  const { raw, cleanUp } = await provision({ database });
  const config = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
  await migrate(config.db);
  const db = openDatabase(config.db);
  for (const username of names)
    await recordEvent(db, { type: "user.created", username, actor: null, data: {} });
  const steps: string[] = [];
  const publish = async ({ username }: RecordedEvent): Promise<boolean> => {
    steps.push(`begin ${username}`);
    await sleep(delay);
    steps.push(`end ${username}`);
    return true;
  };
  const log = createLogTo({ write: () => undefined }, "info");
  const relay: Relay = createRelay({
    db,
    metrics: createMetrics(),
    log,
    sink: { fault: undefined, publish },
  });
  relay.start();
  return {
    ...{ db, relay, steps },
    async [Symbol.asyncDispose]() {
      await relay.stop();
      await db.destroy();
      await cleanUp();
    },
  };
}

for (const database of DATABASES) {
  test(`events of one username in two spellings are published in order, on ${database}`, async () => {
    await using slow = await startSlowRelay(database, 50, ["carla", "Carla", "dieter"]);
    await waitUntil("all", () => slow.steps.length === 6);
    const ofCarla = slow.steps.filter((word) => /carla/i.test(word));
    assert.deepEqual(ofCarla, ["begin carla", "end carla", "begin Carla", "end Carla"]);
    const { steps } = slow;
    assert.ok(steps.indexOf("begin dieter") < steps.indexOf("end carla"), steps.join(", "));
  });

  test(`a stop waits for the event in flight and not for all others, on ${database}`, async () => {
    await using slow = await startSlowRelay(database, 100, Array<string>(50).fill("carla"));
    await waitUntil("the second", () => slow.steps.length >= 3);
    const since = performance.now();
    await slow.relay.stop();
    assert.ok(performance.now() - since < 2000, `${performance.now() - since} ms`);
    const noted = await slow.db
      .selectFrom("event")
      .selectAll()
      .where("published_at", "is not", null)
      .execute();
    assert.equal(noted.length, slow.steps.length / 2);
  });
}
