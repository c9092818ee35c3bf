import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ask, overview, scrape } from "../observability/endpoints.ts";
import { runCli } from "../support/cli.ts";
import { connectRaw, type RawCaller } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { runSupervised, startSupervised, type Supervised } from "../support/supervised.ts";
import { provision } from "../support/worker.ts";

const WRONG = JSON.stringify({ username: "nobody", password: "wrong" });
const LOGINS = 'authmq_requests_total{queue="login",code="401"}';
const IN_FLIGHT = 'authmq_requests_in_flight{queue="login"}';
const REPLACED = "a process has ended unexpectedly, another one is started";

/** How often the word or the line came that says that all processes take requests. */
const timesReady = (group: Supervised): number =>
  (group.said().match(/"msg":"ready"|^ready$/gm) ?? []).length;

async function ready(group: Supervised): Promise<void> {
  const died = () => (group.supervisor.exitCode === null ? undefined : group.said());
  await waitUntil("ready", () => timesReady(group) > 0, { seconds: 20, died });
}

/** Sends so many logins and waits for a reply to each. */
async function callAll(caller: RawCaller, count: number): Promise<void> {
  const before = caller.replies.length;
  for (let index = 0; index < count; index++) caller.publish("login", WRONG);
  await waitUntil("all replies", () => caller.replies.length >= before + count, { seconds: 20 });
}

/** The processes that run, by their ids. */
async function pidsOf(group: Supervised): Promise<number[]> {
  const { processes } = await group.serving(2);
  return processes.map(({ pid = 0 }) => pid);
}

describe("serve --processes 2", () => {
  test("is ready once, answers with both processes, and ends with 0 on SIGTERM", async () => {
    await using group = await startSupervised();
    await ready(group);
    const { code, status, dependencies, processes } = await group.serving(2);
    assert.deepEqual([code, status], [200, "ready"]);
    assert.deepEqual(dependencies["database"], { state: "ok", required: true });
    assert.deepEqual(processes[0]?.dependencies, dependencies);
    const pids = processes.map(({ pid }) => pid);
    assert.equal(new Set([...pids, group.pid, undefined]).size, 4);

    await using caller = await connectRaw(group.url);
    await callAll(caller, 20);
    const { value, text } = await waitUntil("the count", async () => {
      const scraped = await scrape(group.port);
      return scraped.value(LOGINS) === 20 ? scraped : undefined;
    });
    assert.equal(value("authmq_processes"), 2);
    assert.equal(value('authmq_queue_consumed{queue="login"}'), 1);
    assert.equal(value('authmq_broker_connects_total{purpose="requests"}'), 2);
    assert.equal(value('authmq_request_duration_seconds_count{queue="login"}'), 20);
    assert.match(text, /^# TYPE authmq_processes gauge$/m);
    for (const name of ["nodejs_eventloop_lag_p99_seconds", "process_resident_memory_bytes"])
      assert.match(text, new RegExp(`^${name} [0-9.e+-]+$`, "m"));
    assert.equal((await ask(group.port, "/livez")).status, 200);

    group.supervisor.kill("SIGTERM");
    assert.deepEqual(await group.ended, [0, null]);
    await group.noneLeft();
    await assert.rejects(ask(group.port, "/livez"), { code: "ECONNREFUSED" });
    assert.equal(timesReady(group), 1);
    assert.equal(group.lines("the database is at the current schema").length, 1);
    assert.equal(group.lines("health and metrics can be asked for").length, 1);
    const counts = group
      .lines("stopped")
      .filter(({ pid }) => pids.includes(pid as number))
      .map(({ counters }) => (counters as { requests_total?: { login: object } }).requests_total?.login);
    assert.equal(counts.length, 2);
    for (const count of counts)
      assert.ok(count !== undefined, `one answered nothing: ${JSON.stringify(counts)}`);
  });

  test("loses no request and no count with a process that is killed, and replaces it", async () => {
    await using group = await startSupervised({ config: { app_config: { bcrypt_cost: 10 } } });
    await ready(group);
    const [victim = 0, other = 0] = await pidsOf(group);
    await using caller = await connectRaw(group.url);
    await callAll(caller, 4);
    await waitUntil("the count", async () => (await scrape(group.port)).value(LOGINS) === 4);
    for (let index = 0; index < 24; index++) caller.publish("login", WRONG);
    await waitUntil("the first of them", () => caller.replies.length > 6);
    process.kill(victim, "SIGKILL");
    await waitUntil("the other replies", () => caller.replies.length >= 28, { seconds: 20 });
    const [line] = await waitUntil("the warning", () => {
      const lines = group.lines(REPLACED);
      return lines.length > 0 ? lines : undefined;
    });
    const { level, pid, process: gone, signal, delay_ms } = line!;
    assert.deepEqual([level, pid, gone, signal, delay_ms], [40, group.pid, victim, "SIGKILL", 200]);
    const pids = await pidsOf(group);
    assert.ok(pids.includes(other) && !pids.includes(victim), String(pids));
    const { value } = await scrape(group.port);
    assert.ok(value(LOGINS) >= 4, "what the killed one had counted stays");
    assert.equal(value("authmq_processes"), 2);
    await callAll(caller, 4);
    assert.equal(timesReady(group), 1);
    group.supervisor.kill("SIGTERM");
    assert.deepEqual(await group.ended, [0, null]);
    await group.noneLeft();
  });

  test("waits longer before each replacement, and goes on with the process that is left", async () => {
    await using group = await startSupervised();
    await ready(group);
    for (const delay of [200, 400, 800]) {
      const { processes } = await group.serving(2);
      process.kill(processes[1]!.pid!, delay === 400 ? "SIGTERM" : "SIGKILL");
      await waitUntil("the warning", () => group.lines(REPLACED).at(-1)?.["delay_ms"] === delay);
    }
    const { code, processes } = await overview(group.port);
    assert.deepEqual([code, processes[1]?.status, processes[1]?.pid], [200, "starting", undefined]);
    assert.match(processes[1]?.reason ?? "", /started again/);
    assert.equal((await scrape(group.port)).value("authmq_processes"), 1);
    // Stopped while none runs there.
    group.supervisor.kill("SIGINT");
    assert.deepEqual(await group.ended, [0, null]);
    await group.noneLeft();
    assert.equal(group.lines(REPLACED).length, 3);
  });

  test("says which process does not answer, and leaves it out of the metrics but for its counts", async () => {
    await using group = await startSupervised();
    await ready(group);
    await using caller = await connectRaw(group.url);
    const pids = await pidsOf(group);
    await callAll(caller, 10);
    await waitUntil("the count", async () => (await scrape(group.port)).value(LOGINS) === 10);
    process.kill(pids[0]!, "SIGSTOP");
    const [{ code, status, processes }, { value }] = await Promise.all([
      overview(group.port),
      scrape(group.port),
    ]);
    assert.deepEqual([code, status], [200, "ready"]);
    assert.deepEqual(
      processes.map((one) => one.status),
      ["not ready", "ready"],
    );
    assert.match(processes[0]?.reason ?? "", /does not answer/);
    assert.equal(value(LOGINS), 10);
    process.kill(pids[0]!, "SIGCONT");
    await group.serving(2);
    group.supervisor.kill("SIGTERM");
    assert.deepEqual(await group.ended, [0, null]);
  });

  test("answers what it has before it ends", async () => {
    await using group = await startSupervised({ config: { app_config: { bcrypt_cost: 11 } } });
    await ready(group);
    await using caller = await connectRaw(group.url);
    await group.serving(2);
    for (let index = 0; index < 4; index++) caller.publish("login", WRONG);
    await waitUntil("the logins", async () => (await scrape(group.port)).value(IN_FLIGHT) > 0);
    await waitUntil("the delivery", async () => {
      const { messageCount } = await caller.channel.checkQueue("login");
      return messageCount === 0;
    });
    group.supervisor.kill("SIGTERM");
    assert.deepEqual(await group.ended, [0, null]);
    await waitUntil("the replies", () => caller.replies.length === 4, { seconds: 2 });
    await group.noneLeft();
  });

  test("says that it stops, and by a second signal ends at once with 130", async () => {
    await using group = await startSupervised({ config: { app_config: { bcrypt_cost: 14 } } });
    await ready(group);
    await using caller = await connectRaw(group.url);
    await group.serving(2);
    for (let index = 0; index < 4; index++) caller.publish("login", WRONG);
    await waitUntil("the logins", async () => (await scrape(group.port)).value(IN_FLIGHT) === 4);
    group.supervisor.kill("SIGTERM");
    await waitUntil("both to stop", () => group.lines("stopping").length === 3);
    const { code, status, reason } = await overview(group.port);
    assert.deepEqual([code, status, reason], [503, "stopping", "the worker stops"]);
    group.supervisor.kill("SIGTERM");
    assert.deepEqual(await group.ended, [130, null]);
    await group.noneLeft();
    assert.equal(caller.replies.length, 0);
  });

  test("stops with its supervisor, also when that is killed or meets a fault", async () => {
    for (const [signal, end] of [
      ["SIGKILL", [null, "SIGKILL"]],
      ["SIGUSR2", [1, null]],
    ] as const) {
      const fault = "data:text/javascript,process.on('SIGUSR2',()=>{throw new Error('a fault')})";
      await using group = await startSupervised({ node: ["--import", fault] });
      await ready(group);
      await group.serving(2);
      group.supervisor.kill(signal);
      assert.deepEqual(await group.ended, end);
      await group.noneLeft();
      assert.equal(group.lines("the supervisor is gone, stopping").length, 2);
      assert.equal(group.lines("stopped").length, 2, "gracefully");
    }
  });

  test("ends with 0 on a Ctrl-C, which a terminal sends to the whole group, and on a signal to all processes", async () => {
    {
      await using group = await startSupervised({ detached: true });
      await ready(group);
      await group.serving(2);
      process.kill(-group.pid, "SIGINT");
      assert.deepEqual(await group.ended, [0, null]);
      await group.noneLeft();
    }
    // systemd does so.
    await using group = await startSupervised();
    await ready(group);
    for (const pid of [group.pid, ...(await pidsOf(group))]) process.kill(pid, "SIGTERM");
    assert.deepEqual(await group.ended, [0, null]);
    await group.noneLeft();
    assert.equal(group.lines("stopped").length, 3);
  });

  test("stops on a signal while its first process starts", async () => {
    await using group = await startSupervised({ config: { amqp_settings: { port: 1 } } });
    await waitUntil("an attempt", () => group.said().includes("cannot reach the broker, trying again"));
    const { code, status, processes } = await overview(group.port);
    assert.deepEqual([code, status, processes.length], [503, "starting", 2]);
    assert.match(processes[1]?.reason ?? "", /when the first one is ready/);
    group.supervisor.kill("SIGTERM");
    assert.deepEqual(await group.ended, [0, null]);
    assert.equal(timesReady(group), 0);
  });

  test("says the word ready once where the log goes to a file", async () => {
    const log_settings = { handler: "file", handler_settings: { path: "authmq.log" } };
    await using group = await startSupervised({ config: { log_settings } });
    await ready(group);
    await group.serving(2);
    group.supervisor.kill("SIGTERM");
    assert.deepEqual(await group.ended, [0, null]);
    assert.equal(group.said(), "ready\n");
  });
});

test("the processes share the threads that hash, and each has two at least", async () => {
  for (const [pool, share] of [
    ["9", "5"],
    ["2", "2"],
  ] as const) {
    const print = "data:text/javascript,console.error('pool '+process.env.UV_THREADPOOL_SIZE)";
    await using group = await startSupervised({
      env: { UV_THREADPOOL_SIZE: pool },
      node: ["--import", print],
    });
    await ready(group);
    await group.serving(2);
    const pools = Array.from(group.said().matchAll(/^pool (\d+)$/gm), ([, size]) => size);
    assert.deepEqual(pools, [pool, share, share]);
  }
});

test("a number of processes that is none ends with 2", async () => {
  for (const count of ["0", "x", "1.5", "-1", "129", ""]) {
    const { code, stderr } = await runCli(["serve", "--processes", count]);
    assert.equal(code, 2, count);
    assert.match(stderr, /usage: authmq serve/, count);
  }
});

test("what is wrong is told once, with the exit code that a worker has", async () => {
  const faulty = await runSupervised({ nonsense: {} });
  assert.equal(faulty.code, 78);
  assert.equal(faulty.stderr.match(/nonsense: /g)?.length, 1);

  const { raw, cleanUp } = await provision();
  const lacking = await runSupervised(raw);
  assert.equal(lacking.code, 1);
  assert.equal(lacking.stderr.match(/the database lacks/g)?.length, 1);
  const wrong = { ...raw, amqp_settings: { ...raw["amqp_settings"], password: "not-the-password" } };
  const refused = await runSupervised(wrong, "--migrate");
  assert.equal(refused.code, 1);
  assert.equal(refused.stderr.match(/refuses the user/g)?.length, 1);
  assert.equal(refused.stderr.includes("not-the-password"), false);
  await cleanUp();
});

test("a port that is taken ends the start before any process is there", async () => {
  await using group = await startSupervised();
  await ready(group);
  const { stderr, code } = await runCli(["serve", "--processes", "2"], { cwd: group.cwd });
  assert.equal(code, 1);
  assert.match(stderr, /is taken by another process/);
  assert.equal((await overview(group.port)).code, 200);
});
