import { setTimeout as sleep } from "node:timers/promises";
import { type ChaosSetup, openSetup, type Servers } from "./setup.ts";
import { check, type ScenarioVerdict, type Violation } from "./checker.ts";
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

/** What a fault may use: the installation, and a caller's ways to it. */
export interface ScenarioContext {
  readonly setup: ChaosSetup;
  readonly sender: Sender;
  readonly intents: Intents;
  readonly history: RequestHistory;
  /** Milliseconds that a fault which goes on for a while lasts. */
  readonly duration: number;
}

/** One kind of fault. */
export interface InjectedFault {
  readonly name: string;
  readonly databases: readonly ChaosDatabase[];
  /** Where the workers end themselves. */
  readonly kill?: KillPlan;
  /** Keys laid over the workers' `amqp_settings`. */
  readonly amqp?: Readonly<Record<string, unknown>>;
  /** How many copies of a request with a key are sent at once. */
  readonly copies?: number;
  /** Callers must not notice it: every message of theirs gets exactly one reply. */
  readonly unnoticed?: boolean;
  /** The broker is a cluster of three nodes. */
  readonly cluster?: boolean;
  /** The servers must be processes of this machine. */
  readonly needsProcesses?: boolean;
  /** Does it while requests run, and resolves when it is over. */
  inject(stage: ScenarioContext): Promise<void>;
  /** Brings back what has been missing until now, after the time to recover was measured. */
  mend?(stage: ScenarioContext): Promise<void>;
}

/** How long and how much. */
export interface Measure {
  readonly callers: number;
  /** Milliseconds of load before the fault, and after the recovery. */
  readonly before: number;
  readonly after: number;
  /** Milliseconds of load at least. */
  readonly load: number;
  readonly duration: number;
  /** Seconds to recover in; more is a violation. */
  readonly recoveryLimit: number;
}

/** What came of one fault on one database. */
export interface ScenarioResult extends ScenarioVerdict {
  readonly fault: string;
  readonly database: ChaosDatabase;
  /** Seconds; undefined when it did not recover within the limit. */
  readonly recovery: number | undefined;
  /** Each violation with the history of its requests. */
  readonly reports: readonly string[];
}

/** Requests with a key are asked again until so many milliseconds after the load has ended. */
const RECOVERY_LIMIT = 45_000;
const MAX_REPORTS = 5;

/** So long a caller waits for the reply to one message, in milliseconds. */
const REPLY_LIMIT = 3000;

/** Does one fault to an installation under load, and checks all that came of it. */
export async function runScenario(
  servers: Servers,
  fault: InjectedFault,
  database: ChaosDatabase,
  measure: Measure & { seed: number },
): Promise<ScenarioResult> {
  const { kill, amqp = {}, copies = 1, unnoticed = false } = fault;
  const { callers, seed, recoveryLimit } = measure;
  const startedAt = Date.now();
  await using setup = await openSetup(servers, { database, kill, amqp });
  const history = new RequestHistory();
  let loadEnded = Infinity;
  const sender = new Sender({
    history,
    copies,
    // Where each message must be answered, a slow machine is no reason that one is not.
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
  const faults: string[] = [];
  const recovery = await disturb(fault, { setup, sender, intents, history }, measure, faults);
  loadEnded = Date.now();
  stopped.abort();
  await Promise.all(load);
  const leftovers = await settle(setup, faults);
  // The last replies are on their way.
  await sleep(200);
  const { effects, holdings } = await setup.store.read();
  const { requests, strangers } = history;
  const verdict = check({
    initial: setup.initial,
    requests,
    strangers,
    effects,
    holdings,
    leftovers,
    unnoticed,
  });
  if (recovery === undefined || recovery > recoveryLimit) {
    faults.push(
      `${describeRecovery(recovery)}, and not within ${recoveryLimit} s\n${describeProbes(history)}`,
    );
  }
  for (const { faults: ends } of setup.replicas) faults.push(...ends.map((end) => `a worker ${end}`));
  const own = faults.map((text): Violation => ({ kind: "wrong", text, requests: [] }));
  const violations = [...own, ...verdict.violations];
  const deliveries = violations.length > 0 ? setup.readDeliveries() : [];
  const reports = violations
    .toSorted((a, b) => a.kind.localeCompare(b.kind))
    .slice(0, MAX_REPORTS)
    .map((violation) => describeViolation(violation, { effects, deliveries, startedAt }));
  return { ...verdict, violations, fault: fault.name, database, recovery, reports };
}

/** Load, the fault, the recovery, and load again; gives the seconds that the recovery took. */
async function disturb(
  fault: InjectedFault,
  parts: Omit<ScenarioContext, "duration">,
  { before, after, load, duration, recoveryLimit }: Measure,
  faults: string[],
): Promise<number | undefined> {
  const stage = { ...parts, duration };
  const attempt = async (work: Promise<void> | undefined): Promise<void> => {
    await work?.catch((error: unknown) => {
      faults.push(
        `the fault could not be done: ${error instanceof Error ? (error.stack ?? "") : String(error)}`,
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
  await attempt(fault.mend?.(stage));
  await sleep(Math.max(after, begun + load - Date.now()));
  return recovery;
}

function describeRecovery(recovery: number | undefined): string {
  return recovery === undefined ? "did not recover" : `recovered after ${recovery} s`;
}

/** How the probes ended, most frequent first. */
function describeProbes({ requests }: RequestHistory): string {
  const probes = requests.filter(({ caller }) => caller === "probe");
  const ends = Map.groupBy(
    probes,
    ({ answer, attempts }) => answer?.code ?? attempts.at(-1)?.end ?? "not sent",
  );
  return Array.from(ends, ([end, { length }]) => `  ${length} probes ended with ${end}`).join("\n");
}

/** Four connections: replies come by direct reply-to, and to queues of the callers' own. */
function openLinks(
  { access }: ChaosSetup,
  sender: Sender,
  { cluster = false }: InjectedFault,
): AsyncDisposable & { readonly all: readonly CallerLink[] } {
  const onReply = sender.takeReply;
  const all = [1, 2, 3, 4].map((number) => {
    // In a cluster a caller's queue would be down with its node.
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

/** Waits until the queues are empty, stops the workers, and gives what is in the queues then. */
async function settle(setup: ChaosSetup, faults: string[]): Promise<{ queue: string; messages: number }[]> {
  const { servers, vhost, replicas } = setup;
  const count = async (): Promise<{ queue: string; messages: number }[]> =>
    Array.from(await servers.broker.countMessages(vhost), ([queue, messages]) => ({ queue, messages }));
  const end = Date.now() + RECOVERY_LIMIT;
  while (Date.now() < end && (await count()).some(({ messages }) => messages > 0)) await sleep(100);
  // What a worker holds without an acknowledgement comes back to its queue when the worker is gone.
  const codes = await Promise.all(replicas.map((replica) => replica.stop()));
  for (const code of codes)
    if (code !== 0) faults.push(`a worker ended with ${code} when it was asked to stop`);
  return count();
}
