import { setTimeout as sleep } from "node:timers/promises";
import { type ChaosSetup, openSetup, type Servers, SESSIONS_PER_USER } from "./setup.ts";
import { check, type CheckResult, type Violation } from "./checker.ts";
import { describeViolation } from "./history.ts";
import { Intents } from "./intents.ts";
import { RequestHistory } from "./request-history.ts";
import { CallerLink } from "./link.ts";
import type { KillPlan } from "./plan.ts";
import { measureRecovery } from "./probes.ts";
import { createRandom } from "./random.ts";
import { Sender } from "./sender.ts";
import type { ChaosDatabase } from "./stores.ts";
import { VirtualCaller } from "./virtual-caller.ts";

/** What a fault can use: the installation, and a caller's means. */
export interface ScenarioContext {
  readonly setup: ChaosSetup;
  readonly sender: Sender;
  readonly intents: Intents;
  readonly history: RequestHistory;
  /** Duration of a continuous fault, in milliseconds. */
  readonly duration: number;
}

/** A kind of fault. */
export interface InjectedFault {
  readonly name: string;
  readonly databases: readonly ChaosDatabase[];
  /** When the workers kill themselves. */
  readonly kill?: KillPlan;
  /** Overrides of the workers' `amqp_settings`. */
  readonly amqp?: Readonly<Record<string, unknown>>;
  /** Number of copies of a request with a key that are sent concurrently. */
  readonly copies?: number;
  /** Callers must not notice the fault: each of their messages gets exactly one reply. */
  readonly unnoticed?: boolean;
  /** Maximum recovery time in seconds, if it is longer than that of other faults. */
  readonly recoveryLimit?: number;
  /** Whether the broker is a cluster of three nodes. */
  readonly cluster?: boolean;
  /** Whether the servers must be processes on this machine. */
  readonly needsProcesses?: boolean;
  /** Injects the fault while requests run, and resolves when it is over. */
  inject(stage: ScenarioContext): Promise<void>;
  /** Restores missing servers after the recovery time was measured. */
  repair?(stage: ScenarioContext): Promise<void>;
}

/** Durations and limits. */
export interface Measure {
  readonly callers: number;
  /** Milliseconds of load before the fault, and after the recovery. */
  readonly before: number;
  readonly after: number;
  /** Minimum duration of the load, in milliseconds. */
  readonly load: number;
  readonly duration: number;
  /** Maximum recovery time in seconds; more is a violation. */
  readonly recoveryLimit: number;
}

/** The result of one fault on one database. */
export interface ScenarioResult extends CheckResult {
  readonly fault: string;
  readonly database: ChaosDatabase;
  /** Seconds; undefined if it did not recover within the limit. */
  readonly recovery: number | undefined;
  /** Each violation with the history of its requests. */
  readonly reports: readonly string[];
}

/** Requests with a key are retried until this time after the load has ended, in milliseconds. */
const RECOVERY_LIMIT = 45_000;
const MAX_REPORTS = 5;

/** Time that a caller waits for the reply to one message, in milliseconds. */
const REPLY_LIMIT = 3000;

/** Injects one fault into an installation under load, and checks the results. */
export async function runScenario(
  servers: Servers,
  fault: InjectedFault,
  database: ChaosDatabase,
  measure: Measure & { seed: number },
): Promise<ScenarioResult> {
  const { kill, amqp = {}, copies = 1, unnoticed = false } = fault;
  const { callers, seed } = measure;
  const { recoveryLimit = measure.recoveryLimit } = fault;
  const startedAt = Date.now();
  await using setup = await openSetup(servers, { database, kill, amqp });
  const history = new RequestHistory();
  let loadEnded = Infinity;
  const sender = new Sender({
    history,
    copies,
    // A slow machine must not count as a missing reply where every message must get one.
    limit: unnoticed ? 5 * REPLY_LIMIT : REPLY_LIMIT,
    random: createRandom(seed),
    deadline: () => loadEnded + RECOVERY_LIMIT,
  });
  await using links = openLinks(setup, sender, fault);
  sender.use(links.all);
  const intents = new Intents(setup.adminToken);
  const stopped = new AbortController();
  const load = Array.from({ length: callers }, (_, index) => {
    const random = createRandom(seed * 1000 + index);
    return new VirtualCaller({ name: `c${index + 1}`, sender, intents, random }).run(stopped.signal);
  });
  const problems: string[] = [];
  const limits = { ...measure, recoveryLimit };
  const recovery = await injectUnderLoad(fault, { setup, sender, intents, history }, limits, problems);
  loadEnded = Date.now();
  stopped.abort();
  await Promise.all(load);
  const leftovers = await settle(setup, problems);
  // Wait for replies in transit.
  await sleep(200);
  const { effects, holdings } = await setup.store.read();
  const { requests, unsolicited } = history;
  const checked = check({
    initial: setup.initial,
    requests,
    unsolicited,
    effects,
    holdings,
    leftovers,
    unnoticed,
    sessionLimit: SESSIONS_PER_USER,
  });
  if (recovery === undefined || recovery > recoveryLimit) {
    problems.push(`${describeRecovery(recovery)}, limit ${recoveryLimit} s\n${describeProbes(history)}`);
  }
  for (const { unexpectedExits: ends } of setup.replicas)
    problems.push(...ends.map((end) => `a worker ${end}`));
  const own = problems.map((text): Violation => ({ kind: "wrong", text, requests: [] }));
  const violations = [...own, ...checked.violations];
  const deliveries = violations.length > 0 ? setup.readDeliveries() : [];
  const reports = violations
    .toSorted((a, b) => a.kind.localeCompare(b.kind))
    .slice(0, MAX_REPORTS)
    .map((violation) => describeViolation(violation, { effects, deliveries, startedAt }));
  return { ...checked, violations, fault: fault.name, database, recovery, reports };
}

/** Runs load, the fault, the recovery, and load again; returns the recovery time in seconds. */
async function injectUnderLoad(
  fault: InjectedFault,
  parts: Omit<ScenarioContext, "duration">,
  { before, after, load, duration, recoveryLimit }: Measure,
  problems: string[],
): Promise<number | undefined> {
  const stage = { ...parts, duration };
  const attempt = async (work: Promise<void> | undefined): Promise<void> => {
    await work?.catch((error: unknown) => {
      problems.push(
        `the fault could not be injected: ${error instanceof Error ? (error.stack ?? "") : String(error)}`,
      );
    });
  };
  const begun = Date.now();
  await sleep(before);
  await attempt(fault.inject(stage));
  const { sender, intents, setup } = parts;
  const { bystander } = setup;
  const limit = 2 * recoveryLimit + 10;
  const recovery = await measureRecovery({ sender, intents, bystander, since: Date.now(), limit });
  await attempt(fault.repair?.(stage));
  await sleep(Math.max(after, begun + load - Date.now()));
  return recovery;
}

function describeRecovery(recovery: number | undefined): string {
  return recovery === undefined ? "did not recover" : `recovered after ${recovery} s`;
}

/** How probes ended, most frequent first. */
function describeProbes({ requests }: RequestHistory): string {
  const probes = requests.filter(({ caller }) => caller === "probe");
  const ends = Map.groupBy(
    probes,
    ({ result, attempts }) => result?.code ?? attempts.at(-1)?.end ?? "not sent",
  );
  return Array.from(ends, ([end, { length }]) => `  ${length} probes ended with ${end}`).join("\n");
}

/** Opens four connections: two with direct reply-to, and two with reply queues. */
function openLinks(
  { access }: ChaosSetup,
  sender: Sender,
  { cluster = false }: InjectedFault,
): AsyncDisposable & { readonly all: readonly CallerLink[] } {
  const onReply = sender.receiveReply;
  const all = [1, 2, 3, 4].map((number) => {
    // In a cluster, a caller's queue would be down with its node.
    const replyQueue = cluster || number % 2 === 1 ? undefined : `replies.${number}`;
    const name = `${replyQueue === undefined ? "direct" : "queue"}-${number}`;
    return new CallerLink({ name, access, replyQueue, onReply });
  });
  for (const link of all) link.open();
  return {
    all,
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((link) => link.close()));
    },
  };
}

/** Waits until the queues are empty, stops the workers, and returns what is left in the queues. */
async function settle(setup: ChaosSetup, problems: string[]): Promise<{ queue: string; messages: number }[]> {
  const { servers, vhost, replicas } = setup;
  const count = async (): Promise<{ queue: string; messages: number }[]> =>
    Array.from(await servers.broker.countMessages(vhost), ([queue, messages]) => ({ queue, messages }));
  const end = Date.now() + RECOVERY_LIMIT;
  while (Date.now() < end && (await count()).some(({ messages }) => messages > 0)) await sleep(100);
  // Unacknowledged messages of a worker return to their queue when the worker has ended.
  const codes = await Promise.all(replicas.map((replica) => replica.stop()));
  for (const code of codes) if (code !== 0) problems.push(`a worker ended with ${code} after SIGTERM`);
  return count();
}
