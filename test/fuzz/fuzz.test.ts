import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DATABASES } from "../support/worker.ts";
import { describeReport } from "./describe.ts";
import { startFuzzRun } from "./run.ts";

/** A short form of `make fuzz`: always the same requests. */
const SEED = 1;
const ROUNDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/** Their token goes to somebody's mailbox: no request of a stranger can succeed. */
const OUT_OF_REACH: readonly string[] = ["user_password_reset", "user_verify_email"];

describe("whatever arrives is answered once, by the protocol, and changes nothing unless it is done", () => {
  for (const database of DATABASES) {
    test(`on ${database}`, async (t) => {
      await using session = await startFuzzRun({ seed: SEED, databases: [database] });
      const { counts } = session;
      for (const round of ROUNDS) await session.round(round);
      t.diagnostic(`${counts.inputs} requests`);
      assert.deepEqual(counts.reports.map(describeReport), []);
      for (const [queue, { codes }] of counts.lines) {
        // A fuzzer whose requests are all refused at the door would find nothing behind it.
        assert.ok(
          (codes.has(200) || OUT_OF_REACH.includes(queue)) && [...codes.keys()].some((code) => code >= 400),
          `${queue}: ${[...codes.keys()].join(" ")}`,
        );
      }
    });
  }
});
