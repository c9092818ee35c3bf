/**
 * Injects every kind of fault into real workers, brokers and databases under load, and counts lost and duplicate
 * effects: `make chaos`, or `npm run chaos -- OPTIONS`. Exits with 1 if there are any.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Scratch } from "../support/servers/scratch.ts";
import { measureCausalReads } from "./causal-reads.ts";
import { CLUSTERS_FAULTS, FAULTS, NONE } from "./faults/index.ts";
import { parseSelection } from "../support/servers/selection.ts";
import { endReplicas } from "./replica.ts";
import { type ScenarioResult, runScenario } from "./scenario.ts";
import { startClusters, startHarness } from "./servers.ts";
import { renderTable, writeTable } from "./table.ts";

const DOCUMENT = fileURLToPath(new URL("../../docs/reliability.md", import.meta.url));

const HELP = `usage: npm run -s chaos -- [--cluster] [--cost] [--only TEXT]... [--database NAME] [--seed N] [--write] [--list]

Injects faults into two workers under load, each on the database server and on SQLite where it applies, and checks every reply and
every effect in the database.

  --cluster        on a RabbitMQ cluster and a Galera cluster, each of three nodes (or set CLUSTER=1)
  --cost           with --cluster: only measure what causal reads cost
  --only TEXT      only faults with TEXT in their name; repeatable
  --database NAME  only on mysql (the server), or only on sqlite
  --seed N         seed of the random load (default: a random seed, which is printed)
  --write          write the table to docs/reliability.md
  --list           print the names of the faults and exit
`;

/** The load of one scenario; at most 48 callers and 12 probes are in flight. */
const MEASURE = { callers: 48, before: 1500, after: 2000, load: 10_000, duration: 4000, recoveryLimit: 5 };

/** In seconds: the nodes exclude a silent one after five seconds, and elect leaders. */
const CLUSTER_RECOVERY_LIMIT = 30;

const { values } = parseArgs({
  options: {
    cost: { type: "boolean", default: false },
    cluster: { type: "boolean", default: ["1", "true"].includes(process.env["CLUSTER"] ?? "") },
    only: { type: "string", multiple: true, default: [] },
    database: { type: "string" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
    write: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed);
const faults = values.cluster ? CLUSTERS_FAULTS : FAULTS;
const chosen = faults.filter(
  ({ name }) => values.only.length === 0 || values.only.some((text) => name.includes(text)),
);
const startedAt = Date.now();
const scratch = new Scratch();

for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) process.on(signal, () => void end(1));

if (values.help) {
  process.stdout.write(HELP);
  await end(0);
} else if (values.list || chosen.length === 0) {
  process.stdout.write(faults.map(({ name }) => `${name}\n`).join(""));
  await end(values.list ? 0 : 1);
}

try {
  await end(await runAll());
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  await end(1);
}

async function runAll(): Promise<number> {
  say(`seed ${seed}`);
  const harness = await (values.cluster ? startClusters : startHarness)(scratch, say);
  if (values.cluster && values.cost) {
    const servers = await harness.serversFor(NONE);
    if (servers !== undefined) await measureCausalReads(servers, say);
    return 0;
  }
  const outcomes: ScenarioResult[] = [];
  let failures = 0;
  for (const [index, fault] of chosen.entries()) {
    say(`[${index + 1}/${chosen.length}] ${fault.name}`);
    const servers = await harness.serversFor(fault);
    if (servers === undefined) {
      say("  skipped: needs servers that run as processes on this machine");
      continue;
    }
    for (const database of fault.databases) {
      if (values.database !== undefined && values.database !== database) continue;
      const begun = Date.now();
      try {
        const limit = values.cluster ? { recoveryLimit: CLUSTER_RECOVERY_LIMIT } : {};
        const measure = { ...MEASURE, ...limit, seed: seed + outcomes.length };
        const outcome = await runScenario(servers, fault, database, measure);
        outcomes.push(outcome);
        report(outcome, (Date.now() - begun) / 1000);
        if (outcome.violations.length > 0) failures++;
      } catch (error) {
        failures++;
        say(`  FAIL ${database}: ${error instanceof Error ? (error.stack ?? "") : String(error)}`);
      }
    }
  }
  const table = renderTable(outcomes, values.cluster ? "MariaDB" : parseSelection().database.product);
  process.stdout.write(`\n${table}\n\n`);
  if (values.write) writeTable(DOCUMENT, table, values.cluster ? "chaos-cluster" : "chaos");
  const seconds = Math.round((Date.now() - startedAt) / 1000);
  say(
    failures === 0
      ? `nothing failed, ${seconds} s, seed ${seed}`
      : `${failures} failed, ${seconds} s, seed ${seed}`,
  );
  return failures === 0 ? 0 : 1;
}

function report({ database, sent, recovery, violations, reports }: ScenarioResult, seconds: number): void {
  const word = violations.length === 0 ? "ok  " : "FAIL";
  say(`  ${word} ${database}: ${sent} requests, recovered in ${recovery ?? "?"} s (${seconds.toFixed(0)} s)`);
  for (const text of reports) say(text.replace(/^/gm, "     "));
  if (violations.length > reports.length)
    say(`     and ${violations.length - reports.length} more violations`);
}

async function end(code: number): Promise<never> {
  await endReplicas();
  await scratch.close();
  process.exit(code);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
