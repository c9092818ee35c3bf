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

/** An account under attack, with a clock that the test moves. */
class Account {
  clients: readonly ClientRecord[] = [];
  now = START;

  /** Makes one attempt; returns its outcome if it is admitted, else the seconds to wait. */
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

test("ten failures of a client are free; then the delay starts at 1 s and doubles up to an hour", () => {
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

test("the failures of one client do not lock out another client", () => {
  const account = new Account();
  for (let hour = 0; hour < 1000; hour++) {
    account.now += 60 * MINUTE;
    account.try("attacker");
  }
  account.fail("attacker2", 10);
  assert.equal(account.try("home", "succeeded"), "succeeded");
});

test("a client from which the account has logged in is not locked out by other clients", () => {
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

test("a success deletes the failures of its own client only", () => {
  const account = new Account();
  account.fail("a", 9);
  account.fail("b", 10);
  assert.equal(account.try("a", "succeeded"), "succeeded");
  account.fail("a", 10);
  assert.equal(account.try("a"), 1);
  assert.equal(account.try("b"), 1);
});

test("an attempt without an outcome does not count", () => {
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

test("failures are forgotten a day after the last one, or by an unlock", () => {
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

test("of concurrent attempts only as many are admitted as may fail; the others must wait", () => {
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

test("after the free failures, one attempt at a time is admitted", () => {
  const account = new Account();
  account.fail("a", 10);
  account.now += 1000;
  const first = admit(account.clients, "a", account.now, limits);
  assert.equal(first.verdict, "admitted");
  assert.equal(admit(first.clients, "a", account.now, limits).verdict, "busy");
});

test("the record of an account has a maximum size, and keeps the known clients", () => {
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

test("the record of an account stays small, and expires when it has no effect", () => {
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

test("an attempt far from every limit need not be recorded, nor a success of a well-known client", () => {
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

test("running unrecorded attempts count like recorded ones", () => {
  assert.equal(admit([], "a", START, limits, { own: 9, all: 9 }).verdict, "admitted");
  assert.equal(admit([], "a", START, limits, { own: 10, all: 10 }).verdict, "busy");
  assert.equal(admit([], "a", START, limits, { own: 0, all: 90 }).verdict, "busy");
});
