/**
 * Profiles `token` (or another workload): `make profile`. A worker runs under Node's sampling profiler at 64 requests
 * in flight. Prints shares of its main thread's busy time, and keeps the profile for a closer look.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureLoads, openChapter } from "./chapters.ts";
import type { Workloads } from "./workloads.ts";

interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: Frame }[];
  readonly samples: readonly number[];
  /** In microseconds. */
  readonly timeDeltas: readonly number[];
}

interface Frame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

const { values: options } = parseArgs({
  options: { workload: { type: "string", default: "token" }, out: { type: "string", default: "profile" } },
});

/** The part of the program that a frame belongs to; the first match applies. */
const PARTS: readonly (readonly [part: string, fits: (frame: Frame) => boolean])[] = [
  ["signatures", ({ functionName: name }) => /^(sign|verify)OneShot$/.test(name)],
  [
    "sockets and streams",
    ({ functionName: name, url }) =>
      /^write(v|Buffer|Utf8String|Latin1String)$/.test(name) ||
      /^node:(net|events|internal\/(streams|stream_base))/.test(url),
  ],
  ["collecting garbage", ({ functionName: name }) => name === "(garbage collector)"],
  ["AMQP (amqplib and src/amqp)", ({ url }) => url.includes("/amqplib/") || url.includes("/src/amqp/")],
  [
    "SQL (mysql2, kysely, dataloader and src/db)",
    ({ url }) => /\/(mysql2|kysely|dataloader|long|lru\.min)\//.test(url) || url.includes("/src/db/"),
  ],
  ["the pipeline (zod and the rest of src)", ({ url }) => url.includes("/zod/") || url.includes("/src/")],
  ["the rest of Node's own JavaScript", ({ url }) => url.startsWith("node:")],
  ["the virtual machine and the kernel", () => true],
];

const folder = join(process.cwd(), options.out);
mkdirSync(folder, { recursive: true });
const before = new Set(readdirSync(folder));
{
  await using scene = await openChapter({
    population: { users: 1000, groupsEach: 2 },
    cost: 10,
    node: ["--max-semi-space-size=16", "--cpu-prof", `--cpu-prof-dir=${folder}`],
  });
  const workload = options.workload as keyof Workloads;
  await measureLoads(scene, [workload], [64], { ms: 10_000, rounds: 1 });
}
const [file = ""] = readdirSync(folder).filter((name) => name.endsWith(".cpuprofile") && !before.has(name));
print(JSON.parse(readFileSync(join(folder, file), "utf8")) as Profile);
process.stdout.write(`\nprofile for Chrome's DevTools or VS Code: ${join(options.out, file)}\n`);

function print({ nodes, samples, timeDeltas }: Profile): void {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const parts = new Map<string, number>();
  const functions = new Map<string, number>();
  let total = 0;
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id);
    const time = timeDeltas[index] ?? 0;
    if (frame === undefined || isOverhead(frame)) continue;
    total += time;
    const [part] = PARTS.find(([, fits]) => fits(frame)) ?? ["?"];
    parts.set(part, (parts.get(part) ?? 0) + time);
    functions.set(nameOf(frame), (functions.get(nameOf(frame)) ?? 0) + time);
  }
  process.stdout.write(`CPU time of ${options.workload} in the worker's main thread\n\n`);
  list(parts, parts.size, total);
  process.stdout.write("\nthe twenty functions with the most self time\n\n");
  list(functions, 20, total);
}

/** Idle time and the start of the process. */
function isOverhead({ functionName, url }: Frame): boolean {
  return (
    /^\((idle|program)\)$/.test(functionName) ||
    /^node:internal\/(modules|deps|bootstrap|process\/esm)/.test(url)
  );
}

function list(shares: ReadonlyMap<string, number>, count: number, total: number): void {
  const largest = [...shares].sort(([, a], [, b]) => b - a).slice(0, count);
  for (const [name, time] of largest)
    process.stdout.write(`${((time / total) * 100).toFixed(1).padStart(6)} %  ${name}\n`);
}

function nameOf({ functionName, url, lineNumber }: Frame): string {
  const place = url.replace(/^.*\/node_modules\//, "").replace(/^file:\/\/.*\/(?=src\/)/, "");
  return [functionName || "(anonymous)", place === "" ? "" : `${place}:${lineNumber + 1}`].join("  ").trim();
}
