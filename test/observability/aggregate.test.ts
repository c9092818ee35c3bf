import assert from "node:assert/strict";
import { test } from "node:test";
import { createAggregate } from "../../src/observability/aggregate.ts";
import { createMetrics } from "../../src/observability/metrics.ts";

/** A process that has answered so many logins, with its queue consumed or not, and so many requests in flight. */
function counted(logins: number, consumed: number, inFlight = 0): ReturnType<typeof createMetrics> {
  const metrics = createMetrics();
  for (let index = 0; index < logins; index++) metrics.count("requests_total", { queue: "login", code: 200 });
  for (let index = 0; index < logins; index++) metrics.observe("hash_duration_seconds", 0.25);
  metrics.gauge("queue_consumed", { queue: "login" }, () => consumed);
  metrics.gauge("requests_in_flight", { queue: "login" }, () => inFlight);
  return metrics;
}

/** The values of some series in a text for Prometheus. */
function valuesIn(text: string): Record<string, number | undefined> {
  const find = (series: string): number | undefined => {
    const line = text.split("\n").find((one) => one.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length));
  };
  return {
    logins: find('authmq_requests_total{queue="login",code="200"}'),
    seconds: find("authmq_hash_duration_seconds_sum"),
    consumed: find('authmq_queue_consumed{queue="login"}'),
    inFlight: find('authmq_requests_in_flight{queue="login"}'),
    processes: find("authmq_processes"),
  };
}

test("the metrics of several processes are their sums, and what is 0 or 1 stays so", async () => {
  const [one, other] = [counted(3, 1, 2), counted(4, 1, 5)];
  const { render, contentType } = createAggregate(() => 2);
  const text = await render(
    new Map([
      [one, await one.export()],
      [other, await other.export()],
    ]),
  );
  assert.deepEqual(valuesIn(text), { logins: 7, seconds: 1.75, consumed: 1, inFlight: 7, processes: 2 });
  assert.equal(contentType, one.contentType);
});

test("counts stay when a process is silent or gone, and are not counted twice", async () => {
  const [one, other, third] = [counted(3, 1, 2), counted(4, 1, 5), counted(1, 0)];
  const { render } = createAggregate(() => 2);
  const answers = await other.export();
  await render(
    new Map([
      [one, await one.export()],
      [other, answers],
    ]),
  );
  const silent = new Map([
    [one, undefined],
    [other, answers],
  ]);
  assert.deepEqual(valuesIn(await render(silent)), {
    logins: 7,
    seconds: 1.75,
    consumed: 1,
    inFlight: 5,
    processes: 2,
  });
  const replaced = new Map([
    [other, undefined],
    [third, await third.export()],
  ]);
  // Two at once, as two scrapers ask.
  const texts = await Promise.all([render(replaced), render(replaced)]);
  for (const text of [...texts, await render(replaced)])
    assert.deepEqual(valuesIn(text), { logins: 8, seconds: 2, consumed: 0, inFlight: 0, processes: 2 });
  other.count("requests_total", { queue: "login", code: 200 });
  assert.equal(valuesIn(await render(new Map([[other, await other.export()]])))["logins"], 9);
});

test("without any answer there is still the number of processes", async () => {
  const { render } = createAggregate(() => 0);
  assert.deepEqual(Object.values(valuesIn(await render(new Map()))).filter(Number.isFinite), [0]);
});

test("what the default metrics average is the worst of the processes", async () => {
  const metrics = createMetrics();
  metrics.includeProcess();
  const values = await metrics.export();
  const lag = values.find(({ name }) => name === "nodejs_eventloop_lag_p99_seconds")!;
  assert.equal(lag.aggregator, "average");
  const late = values.map((metric) =>
    metric === lag ? { ...lag, values: [{ labels: {}, value: 42 }] } : metric,
  );
  const text = await createAggregate(() => 2).render(
    new Map([
      ["one", values],
      ["other", late],
    ]),
  );
  assert.match(text, /^nodejs_eventloop_lag_p99_seconds 42$/m);
});
