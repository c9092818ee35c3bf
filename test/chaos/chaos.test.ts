import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Scratch } from "../support/servers/scratch.ts";
import { FAULTS } from "./faults/index.ts";
import { endReplicas } from "./replica.ts";
import { runScenario } from "./scenario.ts";
import { type Harness, startHarness } from "./servers.ts";
import type { ChaosDatabase } from "./stores.ts";

/** A short form of `make chaos`, with limits for a slow machine, because only violations are failures. */
const MEASURE = { callers: 16, before: 700, after: 700, load: 0, duration: 2000, recoveryLimit: 15, seed: 1 };

const SHORT_FORM: readonly (readonly [fault: string, database: ChaosDatabase])[] = [
  ["worker killed after the commit", "mysql"],
  ["worker killed before the ack", "sqlite"],
  ["broker killed and restarted", "mysql"],
  ["rolling restart", "sqlite"],
  ["database connections cut", "mysql"],
  ["poison request", "mysql"],
  ["write lock held by another process for 2 s", "sqlite"],
];

describe("no effect is lost or duplicated", () => {
  const scratch = new Scratch();
  let harness: Harness;
  before(async () => {
    harness = await startHarness(scratch, () => undefined);
  });
  after(async () => {
    await endReplicas();
    await scratch.close();
  });

  for (const [name, database] of SHORT_FORM) {
    test(`${name}, on ${database}`, async (t) => {
      const fault = FAULTS.find((one) => one.name === name);
      assert.ok(fault !== undefined, name);
      const servers = await harness.serversFor(fault);
      if (servers === undefined) return t.skip("needs servers that run as processes on this machine");
      const { sent, recovery, violations, reports } = await runScenario(servers, fault, database, MEASURE);
      t.diagnostic(`${sent} requests, recovered in ${recovery ?? "?"} s`);
      assert.equal(violations.length, 0, `\n${reports.join("\n")}`);
    });
  }
});
