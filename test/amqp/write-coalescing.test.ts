import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { connectBroker } from "../../src/amqp/connect.ts";
import { parseConfig } from "../../src/config/load.ts";
import { provision } from "../support/worker.ts";

test("frames of one event loop turn are sent in one write", async () => {
  const { raw, cleanUp } = await provision();
  const { amqp } = parseConfig(raw, { keys: false, env: {}, folder: "." });
  const model = await connectBroker(amqp, amqp.nodes[0], { purpose: "requests", timeout: 5000 });
  try {
    const { stream } = model.connection as unknown as { stream: Socket };
    const channel = await model.createConfirmChannel();
    let writes = 0;
    for (const name of ["_write", "_writev"] as const) {
      const write = stream[name]?.bind(stream) as (...args: unknown[]) => void;
      stream[name] = (...args: unknown[]) => {
        writes++;
        write(...args);
      };
    }
    for (let index = 0; index < 50; index++) channel.publish("", "nowhere", Buffer.from(`${index}`));
    await channel.waitForConfirms();
    // amqplib may read its own buffer in two turns.
    assert.ok(writes >= 1 && writes <= 2, `${writes} writes`);
    writes = 0;
    channel.publish("", "nowhere", Buffer.alloc(300_000));
    await channel.waitForConfirms();
    assert.ok(writes >= 1, "a message larger than the socket's buffer");
  } finally {
    await model.close();
    await cleanUp();
  }
});
