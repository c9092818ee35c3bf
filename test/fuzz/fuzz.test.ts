import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DATABASES } from "../support/worker.ts";
import { describeReport } from "./describe.ts";
import { startFuzzRun } from "./run.ts";

/** A short form of `make fuzz`, always with the same requests. */
const SEED = 1;
const ROUNDS = Array.from({ length: 12 }, (_, round) => round);

/** Queues that need a token from an email, or an enrolled factor: no fuzzed request can succeed. */
const OUT_OF_REACH: readonly string[] = [
  ...["user_password_reset", "user_verify_email"],
  ...["login_continue", "totp_confirm", "passkey_confirm", "factor_remove", "recovery_codes_renew"],
];

describe("every message gets exactly one reply by the protocol, and only a success changes the database", () => {
  for (const database of DATABASES) {
    test(`on ${database}`, async (t) => {
      await using session = await startFuzzRun({ seed: SEED, databases: [database] });
      const { counts } = session;
      for (const round of ROUNDS) await session.round(round);
      t.diagnostic(`${counts.inputs} requests`);
      assert.deepEqual(counts.reports.map(describeReport), []);
      for (const [queue, { codes }] of counts.lines) {
        // A fuzzer whose requests are all rejected early would test nothing else.
        assert.ok(
          (codes.has(200) || OUT_OF_REACH.includes(queue)) && [...codes.keys()].some((code) => code >= 400),
          `${queue}: ${[...codes.keys()].join(" ")}`,
        );
      }
    });
  }
});
