import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  admit,
  recordExpiry,
  type AttemptOutcome,
  settle,
  type ClientRecord,
  withoutFailures,
} from "../../../src/auth/throttle/policy.ts";
import { SECTIONS } from "../../../src/config/schema.ts";

const limits = SECTIONS.app_config.parse({}).login_throttle;
const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;

/** An account under attack: what came of each attempt, at a clock that the test moves. */
class Account {
  clients: readonly ClientRecord[] = [];
  now = START;

  /** Tries once, with this outcome if it is let in; gives the seconds to wait if it is not. */
  try(id: string, outcome: AttemptOutcome = "failed"): number | AttemptOutcome {
    const admission = admit(this.clients, id, this.now, limits);
    if (admission.verdict === "refused") return (admission.until - this.now) / 1000;
    assert.equal(admission.verdict, "admitted");
    const attempt = { began: this.now, outcome };
    this.clients = settle(admission.clients, id, attempt, this.now, limits);
    return outcome;
  }

  fail(id: string, times: number): void {
    for (let n = 0; n < times; n++) assert.equal(this.try(id), "failed", `attempt ${n + 1}`);
  }
}

test("ten failures of a client are free; each further one waits twice as long as the one before, up to an hour", () => {
  const account = new Account();
  account.fail("a", 10);
  for (let step = 0; step < 20; step++) {
    const expected = Math.min(3600, 2 ** step);
    assert.equal(account.try("a"), expected);
    account.now += expected * 1000 - 1;
    assert.equal(typeof account.try("a"), "number");
    account.now += 1;
    account.fail("a", 1);
  }
});

test("another client is not kept out by one that fails, however often it does", () => {
  const account = new Account();
  for (let hour = 0; hour < 1000; hour++) {
    account.now += 60 * MINUTE;
    account.try("attacker");
  }
  account.fail("attacker2", 10);
  assert.equal(account.try("home", "succeeded"), "succeeded");
});

test("a client from which the account has logged in is not kept out by any number of others", () => {
  const account = new Account();
  account.try("home", "succeeded");
  for (let n = 0; n < 1000; n++) account.try(`bot-${n}`);
  assert.equal(typeof account.try("bot-new"), "number");
  assert.equal(account.try("home", "succeeded"), "succeeded");
  account.fail("home", 10);
  assert.equal(account.try("home"), 1);
});

test("all unknown clients together have at most a hundred failures within a day", () => {
  const account = new Account();
  let failures = 0;
  for (let second = 0; second < 24 * 3600 - 1; second++) {
    account.now = START + second * 1000;
    if (account.try(`bot-${second}`) === "failed") failures++;
  }
  assert.ok(failures > 90 && failures <= 100, `${failures}`);
});

test("a success takes its own client's failures back, and no other's", () => {
  const account = new Account();
  account.fail("a", 9);
  account.fail("b", 10);
  assert.equal(account.try("a", "succeeded"), "succeeded");
  account.fail("a", 10);
  assert.equal(account.try("a"), 1);
  assert.equal(account.try("b"), 1);
});

test("an attempt without an outcome counts for nothing, whether that is said or not", () => {
  const account = new Account();
  for (let n = 0; n < 100; n++) assert.equal(account.try("a", "undecided"), "undecided");
  for (let n = 0; n < 10; n++) {
    const admission = admit(account.clients, "a", account.now, limits);
    assert.equal(admission.verdict, "admitted");
    account.clients = admission.clients;
  }
  assert.equal(admit(account.clients, "a", account.now, limits).verdict, "busy");
  account.now += 10_000;
  account.fail("a", 10);
});

test("failures are forgotten a day after the last one, and an unlock takes them back at once", () => {
  const account = new Account();
  account.fail("a", 10);
  account.now += limits.forget_minutes * MINUTE;
  account.fail("a", 10);
  assert.equal(account.try("a"), 1);
  account.try("home", "succeeded");
  account.clients = withoutFailures(account.clients);
  account.fail("a", 10);
  for (let n = 0; n < 500; n++) account.try(`bot-${n}`);
  assert.equal(account.try("home", "succeeded"), "succeeded", "it is still known");
});

test("of attempts at once no more are let in than may fail; the others wait for them and are not refused", () => {
  const run = (failedBefore: number): Record<string, number> => {
    const account = new Account();
    account.fail("a", failedBefore);
    const verdicts: Record<string, number> = {};
    for (let n = 0; n < 64; n++) {
      const admission = admit(account.clients, "a", account.now, limits);
      verdicts[admission.verdict] = (verdicts[admission.verdict] ?? 0) + 1;
      if (admission.verdict === "admitted") account.clients = admission.clients;
    }
    return verdicts;
  };
  assert.deepEqual(run(0), { admitted: 10, busy: 54 });
  assert.deepEqual(run(7), { admitted: 3, busy: 61 });
  assert.deepEqual(run(10), { refused: 64 });
});

test("past its free failures an account is tried once at a time", () => {
  const account = new Account();
  account.fail("a", 10);
  account.now += 1000;
  const first = admit(account.clients, "a", account.now, limits);
  assert.equal(first.verdict, "admitted");
  assert.equal(admit(first.clients, "a", account.now, limits).verdict, "busy");
});

test("what is kept of an account has an end, whatever is configured, and its own clients stay", () => {
  const lax = { ...limits, free_failures: 1e6, free_failures_per_account: 1e6, max_failures: 1e6 };
  let clients: readonly ClientRecord[] = settle([], "home", { began: 0, outcome: "succeeded" }, START, lax);
  for (let n = 1; n <= 1000; n++)
    clients = settle(clients, `bot-${n}`, { began: 0, outcome: "failed" }, START + n, lax);
  assert.equal(clients.length, 400);
  const { length } = JSON.stringify(clients);
  assert.ok(length < 60_000, `${length} characters`);
  const ids = clients.map(({ id }) => id);
  for (const id of ["home", "bot-1000"]) assert.ok(ids.includes(id), `${id}: ${ids.join(" ")}`);
});

test("what is kept of an account stays small, whatever happens, and is kept no longer than it matters", () => {
  const event = fc.record({
    id: fc.nat(400).map(String),
    outcome: fc.constantFrom<AttemptOutcome>("failed", "failed", "succeeded", "undecided"),
    pause: fc.nat(20_000),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 600 }), (events) => {
      const account = new Account();
      for (const { id, outcome, pause } of events) {
        account.now += pause;
        account.try(id, outcome);
      }
      assert.ok(account.clients.length <= 140, `${account.clients.length} clients`);
      const expiry = recordExpiry(account.clients, account.now, limits);
      assert.equal(admit(account.clients, "new", expiry, limits).verdict, "admitted");
    }),
    { numRuns: 100 },
  );
});

test("an attempt far from every limit need not be written down, and one from a known client changes nothing", () => {
  const lightly = (account: Account, id: string, unrecorded = { own: 0, all: 0 }): unknown => {
    const admission = admit(account.clients, id, account.now, limits, unrecorded);
    return admission.verdict === "admitted" && [admission.isFarFromLimit, admission.isWellKnown];
  };
  const account = new Account();
  assert.deepEqual(lightly(account, "a"), [true, false]);
  account.try("a", "succeeded");
  assert.deepEqual(lightly(account, "a"), [true, true]);
  assert.deepEqual(lightly(account, "a", { own: 2, all: 2 }), [true, true]);
  assert.deepEqual(lightly(account, "a", { own: 3, all: 3 }), [false, true]);
  assert.deepEqual(lightly(account, "a", { own: 0, all: 23 }), [false, true]);
  account.now += 86_400_000;
  assert.deepEqual(lightly(account, "a"), [true, false]);
  account.fail("a", 1);
  assert.deepEqual(lightly(account, "a"), [true, false]);
  account.fail("a", 2);
  assert.deepEqual(lightly(account, "a"), [false, false]);
});

test("attempts that run unrecorded count like those that are written", () => {
  assert.equal(admit([], "a", START, limits, { own: 9, all: 9 }).verdict, "admitted");
  assert.equal(admit([], "a", START, limits, { own: 10, all: 10 }).verdict, "busy");
  assert.equal(admit([], "a", START, limits, { own: 0, all: 90 }).verdict, "busy");
});
