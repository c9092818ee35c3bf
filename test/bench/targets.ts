import { type BenchResult, type Point, ratio } from "./findings.ts";
import { median } from "./load.ts";
import type { Sample } from "./setup.ts";

/** Measurements besides loads. */
export interface Sizes {
  /** Seconds until a worker is ready, per start. */
  starts?: readonly number[];
  /** MB at 256 requests in flight, for `npm run authmq` and for the build with the smallest heap. */
  memory?: number | undefined;
  leastMemory?: number | undefined;
}

const AT = 64;

const rate = ({ perSecond }: Sample): number => perSecond;
const p95 = (sample: Sample): number => sample.p95;
const p99 = (sample: Sample): number => sample.p99;
const workerCpu = ({ cpu }: Sample): number | undefined => cpu.worker;
const cpuOfAll = ({ cpu: { worker, database } }: Sample): number | undefined =>
  worker === undefined ? undefined : worker + (database ?? 0);

/** Every target with its result; those without a measurement have no value. */
export function findingsOf(points: readonly Point[], sizes: Sizes): BenchResult[] {
  const compare = (pair: readonly [string, string], metric: Parameters<typeof ratio>[3], at = AT) =>
    ratio(points, pair, at, metric);
  const finding = (name: string, value: number | undefined, wanted: BenchResult["wanted"]): BenchResult => ({
    name,
    value,
    unit: "",
    wanted,
  });
  const growth = (
    workload: string,
    database: string,
    [small, large]: readonly [string, string],
  ): BenchResult =>
    finding(
      `${workload}, ${database}, CPU: ${large} / ${differenceOf(small, large)}`,
      compare([`${workload}, ${database}, ${large}`, `${workload}, ${database}, ${small}`], cpuOfAll),
      { atMost: 1.25 },
    );
  const sharesOfEcho = ["token", "user_get", "group_all"].map((workload) =>
    finding(`${workload} / echo, requests per second`, compare([workload, "echo"], rate), { atLeast: 0.4 }),
  );
  const byUsers = ["10 users, 2 groups", "1M users, 2 groups"] as const;
  const byGroups = ["100 users, 1 groups", "100 users, 200 groups"] as const;
  return [
    ...sharesOfEcho,
    finding("token / echo, p99", compare(["token", "echo"], p99), { atMost: 3 }),
    finding("token / echo, CPU of the worker", compare(["token", "echo"], workerCpu), { atMost: 4 }),
    finding("login / bare hash, per second", compare(["login", "bare hash"], rate), { atLeast: 0.95 }),
    finding(
      "token under a flood of logins / idle, p95",
      compare(["token, login flood", "token, idle"], p95, 16),
      { atMost: 3 },
    ),
    finding("membership / bare commit, per second", compare(["membership", "bare commit"], rate), {
      atLeast: 0.8,
    }),
    finding(
      "two workers / one, token per second",
      compare(["token, two workers", "token, one worker"], rate),
      {
        atLeast: 1,
      },
    ),
    { name: "memory at 256 in flight", value: sizes.memory, unit: " MB", wanted: { atMost: 150 } },
    {
      name: "the same as built, with a small heap",
      value: sizes.leastMemory,
      unit: " MB",
      wanted: { atMost: 150 },
    },
    {
      name: "start to ready",
      value: sizes.starts && median(sizes.starts),
      unit: " s",
      wanted: { atMost: 1 },
    },
    ...["mysql", "sqlite"].flatMap((database) =>
      ["token", "user_get"].map((workload) => growth(workload, database, byUsers)),
    ),
    ...["token", "user_get"].map((workload) => growth(workload, "mysql", byGroups)),
  ];
}

/** The parts of the small one's description that differ from the large one's. */
function differenceOf(small: string, large: string): string {
  const parts = large.split(", ");
  return small
    .split(", ")
    .filter((part, index) => part !== parts[index])
    .join(", ");
}
