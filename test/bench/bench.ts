/**
 * Benchmarks authmq against the bare costs that it cannot avoid: `make bench` (15 minutes). Worker, broker, database,
 * callers and baselines are separate processes on this machine, and run in turn, so that ratios are meaningful even if
 * absolute numbers are not. `--json` prints everything as JSON, `--picture=FILE` draws throughput and latency by load,
 * `--short` takes 20 seconds and exits with 1 if a ratio misses its target by a factor of three, which no noise explains.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import {
  enlargeDatabase,
  measureFlood,
  measureGrowth,
  measureLoads,
  measureLogins,
  measureMemory,
  measureReplicas,
  measureStarts,
  measureStatements,
  openChapter,
} from "./chapters.ts";
import { type BenchResult, isBroken, pointsOf } from "./findings.ts";
import { pictureOf } from "./picture.ts";
import { describeMachine, tableOf, resultsOf } from "./report.ts";
import type { Sample } from "./setup.ts";
import { findingsOf, type Sizes } from "./targets.ts";

const { values: options } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    picture: { type: "string" },
  },
});

const LOADS = [1, 16, 64, 256];
const FULL = { ms: 5000, rounds: 3 };
const SHORT = { ms: 1200, rounds: 2 };
const POPULATION = { users: 1000, groupsEach: 2 };
/** Least memory, with the compiled code, at the cost of more CPU time: docs/performance.md. */
const SMALL_HEAP = ["--max-semi-space-size=4", "--heap-growing-percent=30"];

const samples: Sample[] = [];
const sizes: Sizes = {};
if (options.short) await measureShortly();
else await measureAll();

const points = pointsOf(samples);
const findings = findingsOf(points, sizes).filter(({ value }) => !options.short || value !== undefined);
if (options.picture !== undefined) {
  const curves = points.filter(
    ({ workload }) => points.filter((point) => point.workload === workload).length === LOADS.length,
  );
  writeFileSync(options.picture, pictureOf(curves, describeMachine()));
}
if (options.json) say(JSON.stringify({ machine: describeMachine(), samples, findings }, undefined, 1));
else say([describeMachine(), tableOf(points), resultsOf(findings)].join("\n\n"));
if (options.short) setExitCode(findings);

async function measureAll(): Promise<void> {
  {
    await using scene = await openChapter({ population: POPULATION });
    await record("loads", measureLoads(scene, ["echo", "token", "user_get", "group_all"], LOADS, FULL));
    await record("statements", measureStatements(scene, FULL));
    await record("logins", measureLogins(scene, 12, { ...FULL, ms: 10_000 }));
    await record("a flood of logins", measureFlood(scene, FULL));
    await record("replicas", measureReplicas(scene, FULL));
    sizes.starts = await measureStarts(scene, 5);
    await enlargeDatabase(scene);
  }
  sizes.memory = await measureMemory({}, FULL);
  sizes.leastMemory = await measureMemory({ node: SMALL_HEAP, built: true }, FULL);
  const small = { users: 10, groupsEach: 2 };
  for (const database of ["mysql", "sqlite"] as const)
    await record(
      `users, ${database}`,
      measureGrowth(database, [small, { ...small, users: 1_000_000 }], FULL),
    );
  const one = { users: 100, groupsEach: 1 };
  await record("groups", measureGrowth("mysql", [one, { ...one, groupsEach: 200 }], FULL));
}

async function measureShortly(): Promise<void> {
  await using scene = await openChapter({ population: POPULATION, cost: 10 });
  await record("loads", measureLoads(scene, ["echo", "token", "user_get"], [64], SHORT));
  await record("logins", measureLogins(scene, 10, { ...SHORT, ms: 500 }));
}

async function record(chapter: string, measuring: Promise<Sample[]>): Promise<void> {
  const since = performance.now();
  samples.push(...(await measuring));
  process.stderr.write(`measured: ${chapter} (${((performance.now() - since) / 1000).toFixed(0)} s)\n`);
}

function setExitCode(all: readonly BenchResult[]): void {
  const broken = all.filter(isBroken);
  for (const { name } of broken)
    say(`target missed by a factor of three, investigate with "make profile": ${name}`);
  if (broken.length > 0) process.exitCode = 1;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
