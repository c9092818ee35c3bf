/**
 * Sends random and hostile messages to real workers, on both databases, until the time is over: `make fuzz`, or
 * `npm run fuzz -- OPTIONS`. Exits with 1 if there is a finding.
 */
import { parseArgs } from "node:util";
import { describeReport } from "./describe.ts";
import { startProgress } from "./progress.ts";
import { checkProperties, openProperties } from "./properties/index.ts";
import { startFuzzRun } from "./run.ts";
import { renderFuzzTable, fuzzSummary } from "./table.ts";

const HELP = `usage: npm run -s fuzz -- [--seconds N] [--seed N] [--round N]

Sends random and hostile requests to every queue, on SQLite and on MariaDB in turn, checks each reply, the log
and the database, and reduces each finding to the smallest request that reproduces it.

  --seconds N  duration (default: 300)
  --seed N     seed of the requests (default: a random seed, which is printed)
  --round N    run only this round of the seed, to reproduce a finding
`;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "300" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
    round: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const [seconds, seed, only] = [values.seconds, values.seed, values.round ?? "0"].map(Number) as [
  number,
  number,
  number,
];

if (values.help) process.stdout.write(HELP);
else if (![seconds, seed, only].every((number) => number >= 0)) {
  process.stderr.write(HELP);
  process.exitCode = 2;
} else process.exitCode = await fuzz();

async function fuzz(): Promise<number> {
  process.stderr.write(`seed ${seed}\n`);
  const properties = await openProperties();
  await using session = await startFuzzRun({ seed });
  const { counts } = session;
  const end = Date.now() + seconds * 1000;
  const isOver = (): boolean => values.round === undefined && Date.now() > end;
  using progress = startProgress(counts, seconds);
  let failure: unknown;
  let reported = 0;
  try {
    for (let round = only; round === only || (values.round === undefined && !isOver()); round++) {
      await checkProperties(properties, counts, seed, round);
      await session.round(round, isOver);
      for (const report of counts.reports.slice(reported)) progress.say(describeReport(report));
      reported = counts.reports.length;
    }
  } catch (error) {
    failure = error;
  }
  progress.end();
  process.stdout.write(`${renderFuzzTable(counts)}\n`);
  for (const report of counts.reports) process.stdout.write(`\n${describeReport(report)}\n`);
  process.stdout.write(`\n${fuzzSummary(counts, seed)}\n`);
  if (failure === undefined) return counts.findings === 0 ? 0 : 1;
  process.stderr.write(`${failure instanceof Error ? (failure.stack ?? "") : "unknown error"}\n`);
  return 1;
}
