import assert from "node:assert/strict";
import { test } from "node:test";
import { Publisher } from "../../src/amqp/publisher.ts";
import { parseConfig } from "../../src/config/load.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { provision } from "../support/worker.ts";

/** A routing key that amqplib refuses to encode: a short string has at most 255 bytes. */
const TOO_LONG = "x".repeat(300);

test("thousands of waiting messages that cannot be encoded do not block the next one", async (t) => {
  const { raw, cleanUp } = await provision();
  const { amqp } = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
  const publisher = new Publisher({
    amqp,
    exchange: "",
    purpose: "replies",
    metrics: createMetrics(),
    log: createLogTo({ write: () => undefined }, "silent"),
    prepare: async () => undefined,
    reopens: { what: "connection", after: 0 },
    resend: true,
  });
  t.after(async () => {
    await publisher.stop();
    await cleanUp();
  });
  // Sent before the connection is open, so that all of them wait.
  const refused = Array.from({ length: 20_000 }, () => publisher.send(TOO_LONG, Buffer.from("x"), {}));
  const last = publisher.send("nobody", Buffer.from("x"), {});
  await publisher.start();
  assert.deepEqual(
    (await Promise.all(refused)).filter((isConfirmed) => isConfirmed),
    [],
  );
  assert.equal(await last, true);
  assert.equal(publisher.size, 0);
});
