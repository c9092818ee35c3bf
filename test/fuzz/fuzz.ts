/**
 * Throws all that may arrive at real workers, on both databases, until the time is over: `make fuzz`, or
 * `npm run fuzz -- OPTIONS`. Exits with 1 when anything came of it that must not.
 */
import { parseArgs } from "node:util";
import { describeReport } from "./describe.ts";
import { startProgress } from "./progress.ts";
import { checkProperties, openProperties } from "./properties/index.ts";
import { startFuzzRun } from "./run.ts";
import { renderFuzzTable, fuzzSummary } from "./table.ts";

const HELP = `usage: npm run -s fuzz -- [--seconds N] [--seed N] [--round N]

Sends requests of all sorts to every queue, on SQLite and on MariaDB in turn, checks each reply, the log and the
database, and makes what it finds as small as it can.

  --seconds N  how long (default: 300)
  --seed N     what is random in it (default: another one each time, which is printed)
  --round N    only this round of the seed: how to see a finding again
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
  let told = 0;
  try {
    for (let round = only; round === only || (values.round === undefined && !isOver()); round++) {
      await checkProperties(properties, counts, seed, round);
      await session.round(round, isOver);
      for (const report of counts.reports.slice(told)) progress.say(describeReport(report));
      told = counts.reports.length;
    }
  } catch (error) {
    failure = error;
  }
  progress.end();
  process.stdout.write(`${renderFuzzTable(counts)}\n`);
  for (const report of counts.reports) process.stdout.write(`\n${describeReport(report)}\n`);
  process.stdout.write(`\n${fuzzSummary(counts, seed)}\n`);
  if (failure === undefined) return counts.findings === 0 ? 0 : 1;
  process.stderr.write(`${failure instanceof Error ? (failure.stack ?? "") : "a fault"}\n`);
  return 1;
}
