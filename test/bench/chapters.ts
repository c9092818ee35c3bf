import { setTimeout as sleep } from "node:timers/promises";
import { createConnection } from "mysql2/promise";
import type { DatabaseKind } from "../support/worker.ts";
import type { BareHashTask } from "./bare-hash.ts";
import type { BareSqlTask, Statement } from "./bare-sql.ts";
import { startLoop } from "./loop.ts";
import { groupName, someUsers, tokenIdOf } from "./population.ts";
import { rssOf } from "./processes.ts";
import { startServe } from "./serve.ts";
import { sample, type Sample, openBenchSetup, type BenchSetup } from "./setup.ts";
import { type Workloads, workloadsFor } from "./workloads.ts";

/** Duration and repetitions of each measurement. */
export interface Sampling {
  readonly ms: number;
  readonly rounds: number;
}

/** The setup that a chapter needs. */
export interface ChapterSetup {
  readonly setup: BenchSetup;
  readonly workloads: Workloads;
}

/** Opens a setup with a population of users and groups. */
export async function openChapter(
  options: Parameters<typeof openBenchSetup>[0],
  callers?: number,
): Promise<ChapterSetup & AsyncDisposable> {
  const setup = await openBenchSetup(options);
  const workloads = await workloadsFor(setup.config, options.population, callers);
  return { setup, workloads, [Symbol.asyncDispose]: () => setup[Symbol.asyncDispose]() };
}

/** Measures workloads in turn, in rounds, at each load; each is warmed up first. */
export async function measureLoads(
  { setup, workloads }: ChapterSetup,
  names: readonly (keyof Workloads)[],
  loads: readonly number[],
  { ms, rounds }: Sampling,
): Promise<Sample[]> {
  const call = (name: keyof Workloads, inFlight: number, time: number): Promise<Sample> =>
    setup.call(name, { calls: workloads[name], inFlight, ms: time });
  for (const name of names) await call(name, 64, Math.min(ms, 3000));
  const samples: Sample[] = [];
  for (const inFlight of loads)
    for (let round = 0; round < rounds; round++)
      for (const name of names) samples.push(await call(name, inFlight, ms));
  return samples;
}

/**
 * Compares membership changes with the bare statement, and a select like a session's, both on equally many connections.
 */
export async function measureStatements(
  { setup, workloads }: ChapterSetup,
  sampling: Sampling,
): Promise<Sample[]> {
  const { db } = setup.config;
  if (db.dialect !== "mysql") throw new Error("the statements need MySQL");
  const { host, port, user, password, database } = db;
  await using bare = startLoop<BareSqlTask>("./bare-sql.ts", {
    server: { host, port, user, password, database },
    connections: db.pool_size,
  });
  const users = someUsers(1000, 500);
  const change = (text: string): Statement[] => users.map((name) => ({ text, values: [name, groupName(0)] }));
  const commits = [
    ...change("delete from usergroup where username = ? and groupname = ?"),
    ...change("insert into usergroup (username, groupname) values (?, ?)"),
  ];
  const select =
    "select t.*, u.*, g.groupname from token t join `user` u on u.username = t.user_id " +
    "left join usergroup g on g.username = u.username where t.token_id = ?";
  const selects = users.map((name) => ({ text: select, values: [tokenIdOf(name).toString()] }));
  const run = (workload: string, statements: readonly Statement[]): Promise<Sample> =>
    sample(workload, 64, [bare.pid], () => bare.run({ statements, inFlight: 64, ms: sampling.ms }));
  const samples: Sample[] = [];
  for (let round = 0; round < sampling.rounds; round++) {
    samples.push(await run("bare select", selects), await run("bare commit", commits));
    samples.push(
      await setup.call("membership", { calls: workloads.membership, inFlight: 64, ms: sampling.ms }),
    );
  }
  return samples;
}

/** Compares logins with the bare hash, both with concurrency 64. */
export async function measureLogins(
  { setup, workloads }: ChapterSetup,
  cost: number,
  sampling: Sampling,
): Promise<Sample[]> {
  await using bare = startLoop<BareHashTask>("./bare-hash.ts", { cost });
  const samples: Sample[] = [];
  for (let round = 0; round < sampling.rounds; round++) {
    const task = { inFlight: 64, ms: sampling.ms };
    samples.push(await sample("bare hash", 64, [bare.pid], () => bare.run(task)));
    samples.push(await setup.call("login", { ...task, calls: workloads.login }));
  }
  return samples;
}

/** Measures tokens on an idle worker, and while 64 logins wait. */
export async function measureFlood(
  { setup, workloads }: ChapterSetup,
  sampling: Sampling,
): Promise<Sample[]> {
  await using others = startLoop<Parameters<BenchSetup["callers"]["run"]>[0]>("./callers.ts", {
    url: setup.url,
  });
  const task = { calls: workloads.token, inFlight: 16, ms: sampling.ms };
  const samples: Sample[] = [];
  for (let round = 0; round < sampling.rounds; round++) {
    samples.push(await setup.call("token, idle", task));
    const flood = others.run({ calls: workloads.login, inFlight: 64, ms: sampling.ms + 1000 });
    await sleep(1000);
    samples.push(await setup.call("token, login flood", task));
    await flood;
  }
  return samples;
}

/** Measures tokens of one worker, and of two workers on the same queues. */
export async function measureReplicas(
  { setup, workloads }: ChapterSetup,
  sampling: Sampling,
): Promise<Sample[]> {
  const task = { calls: workloads.token, inFlight: 64, ms: sampling.ms };
  const samples: Sample[] = [];
  for (let round = 0; round < sampling.rounds; round++) {
    samples.push(await setup.call("token, one worker", task));
    const second = await startServe(setup.raw);
    await setup.call("warm-up", { ...task, ms: 2000 });
    samples.push(await setup.call("token, two workers", task, second));
    await second.stop();
  }
  return samples;
}

/** Measures the seconds from the start of `authmq serve` until it is ready. */
export async function measureStarts({ setup }: ChapterSetup, times: number): Promise<number[]> {
  const seconds: number[] = [];
  for (let time = 0; time < times; time++) {
    const served = await startServe(setup.raw);
    seconds.push(served.startedIn / 1000);
    await served.stop();
  }
  return seconds;
}

/** Measures the memory of a worker after some seconds with 256 requests in flight, in MB. */
export async function measureMemory(
  how: { readonly node?: readonly string[]; readonly built?: boolean },
  sampling: Sampling,
): Promise<number | undefined> {
  await using scene = await openChapter({ population: { users: 1000, groupsEach: 2 }, cost: 4, ...how });
  await measureLoads(scene, ["token", "user_get"], [256], sampling);
  return rssOf(scene.setup.worker.pid);
}

/** Compares a small and a large installation, in turn: growth shows as a ratio. */
export async function measureGrowth(
  database: DatabaseKind,
  sizes: readonly { readonly users: number; readonly groupsEach: number }[],
  sampling: Sampling,
): Promise<Sample[]> {
  await using undo = new AsyncDisposableStack();
  const scenes: (ChapterSetup & { readonly name: string })[] = [];
  // Use as many callers on each: concurrent callers of one session share its query.
  const callers = Math.min(...sizes.map(({ users }) => users));
  for (const population of sizes) {
    const scene = undo.use(await openChapter({ database, population, cost: 4 }, callers));
    scenes.push({ ...scene, name: `${shorten(population.users)} users, ${population.groupsEach} groups` });
  }
  const samples: Sample[] = [];
  for (let round = -1; round < sampling.rounds; round++)
    for (const workload of ["token", "user_get"] as const)
      for (const { setup, workloads, name } of scenes) {
        const task = { calls: workloads[workload], inFlight: 64, ms: sampling.ms };
        const one = await setup.call(`${workload}, ${database}, ${name}`, task);
        if (round >= 0) samples.push(one); // the first round warms up
      }
  return samples;
}

function shorten(count: number): string {
  return count < 1e6 ? String(count) : `${count / 1e6}M`;
}

/** Configures the database for a million users; the tests' own server is small. */
export async function enlargeDatabase({ setup }: ChapterSetup): Promise<void> {
  const { db } = setup.config;
  if (db.dialect !== "mysql") return;
  const { host, port, user, password } = db;
  const connection = await createConnection({ host, port, user, password });
  await connection.query("set global innodb_buffer_pool_size = 1073741824");
  await connection.end();
}
