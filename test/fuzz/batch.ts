import { PROCEDURES } from "../../src/procedures/index.ts";
import { queueNames } from "../../src/config/queues.ts";
import type { QueueName } from "../../src/wire/queues.ts";
import type { FuzzReply } from "./caller.ts";
import type { FuzzTarget } from "./target.ts";
import { checkReply, type Known, know, leaksOf, shortenText } from "./check-reply.ts";
import { digestOf } from "./snapshots.ts";
import { probe } from "./probes.ts";
import { render, type Rendered } from "./rendered.ts";
import type { Input } from "./requests.ts";
import { hasEffect, mayOnceSucceed, type Rules } from "./rights.ts";
import { faultsOfState } from "./state.ts";

/** A request and the queue that it goes to. */
export interface FuzzRequest {
  readonly queue: QueueName;
  readonly input: Input;
}

/** Something that must not be. */
export interface FuzzFinding {
  readonly kind: string;
  readonly detail: string;
  /** The requests of the batch that it may be about. */
  readonly suspects: readonly number[];
  /** For what is about one queue, whichever request it was. */
  readonly queue?: QueueName;
}

/** What came of a batch. */
export interface BatchResult {
  /** In the order of the requests; 0 for no reply. */
  readonly codes: readonly number[];
  readonly findings: readonly FuzzFinding[];
}

/** Requests of one batch, and as many of them in flight at once. */
export const BATCH = 96;
const IN_FLIGHT = 16;

/** Every queue there is. */
export const QUEUES: readonly QueueName[] = queueNames();
/** Reply queues that a target needs: one for each request of a batch, and one for each usual request after it. */
export const SLOTS = BATCH + QUEUES.length;

/**
 * Sends batches to one target and looks at all that comes of them. No request that is refused may change the database,
 * and that is known of every single one, in two ways:
 *
 * - Requests that cannot succeed, because they bring no token and no password that is good for anything, go out 16 at a
 *   time. Triggers note each change in the transaction that makes it, and no later change takes a note away: when there
 *   is none after all of them, none of them has changed anything. The same goes for requests that only read.
 * - Requests that could succeed and would then leave something behind go out one by one, with a look at the notes after
 *   each. Whatever was changed is put back at once, so every request meets the same first state, and one that is found
 *   can be made smaller by itself.
 *
 * The rows themselves are compared with the first state once a batch: what no trigger sees would show there.
 */
export function createBatchRunner(target: FuzzTarget) {
  const { app } = target.config;
  const rules: Rules = { holders: target.issuedTokens.holders, anonymousUserGet: app.anonymous_user_get };
  const known = new Map<QueueName, Known>(PROCEDURES.map((one) => [one.name, know(one, app)]));
  const knownOf = (queue: QueueName): Known => known.get(queue)!;
  let first: string | undefined;
  let earlier: readonly Rendered[] = [];

  return async (aimed: readonly FuzzRequest[], patience?: number): Promise<BatchResult> => {
    const { snapshots, caller } = target;
    const findings: FuzzFinding[] = [];
    const requests = aimed.map(({ queue, input }) => render(queue, input, target.issuedTokens.texts));
    const codes = requests.map(() => 0);
    const everyone = [...requests.keys()];
    const add = (kind: string, detail: string, suspects: readonly number[]): void =>
      void findings.push({ kind, detail: shortenText(detail), suspects });
    first ??= digestOf(await snapshots.read());

    const ask = async (index: number): Promise<number> => {
      const request = requests[index]!;
      if (target.ended() !== undefined) return 0;
      const reply = await target.send(index, request.queue, request, patience);
      if (reply === undefined) {
        add("no reply", target.ended() ?? "the worker still runs", [index]);
        return 0;
      }
      const { code, faults } = checkReply(knownOf(request.queue), rules, request, reply);
      for (const { kind, detail } of faults) add(kind, detail, [index]);
      codes[index] = code;
      return code;
    };
    const isSingle = (index: number): boolean => {
      const request = requests[index]!;
      const { procedure } = knownOf(request.queue);
      return hasEffect(procedure) && mayOnceSucceed(procedure, request, rules);
    };
    const lookForChanges = async (answered: string, suspects: readonly number[]): Promise<void> => {
      const changes = await snapshots.changes();
      if (changes.length === 0) return;
      if (answered !== "200")
        add("changed without a success", `${answered}: ${changes.join(", ")}`, suspects);
      for (const fault of faultsOfState(await snapshots.read()))
        add("a state that must not be", fault, suspects);
      await snapshots.restore();
    };

    const [singles, others] = partition(everyone, isSingle);
    await inFlight(IN_FLIGHT, others, ask);
    await lookForChanges("requests that cannot succeed", others);
    for (const index of singles) await lookForChanges(String(await ask(index)), [index]);
    if (target.ended() !== undefined) return { codes, findings };
    for (const { queue, detail } of await probe(target, QUEUES, BATCH))
      findings.push({ kind: "consumer", detail, suspects: everyone, queue });
    await lookForChanges("usual requests to all queues", []);
    for (const index of everyone) {
      const replies = caller.repliesOf(index).map(textOf);
      if (replies.length > 1) add("more than one reply", replies.join(" "), [index]);
    }
    const { texts, faults } = target.log.take();
    for (const line of faults) add("log", line, everyone);
    // What a caller calls itself and its request stands in the log, and may be the text of somebody else's secret.
    const told = [...earlier, ...requests]
      .flatMap(({ properties: { correlationId, appId } }) => [correlationId, appId])
      .flatMap((property) => (property !== undefined && "text" in property ? property.text : []));
    for (const [secret, suspects] of leaks(requests, texts, told)) add("secret in the log", secret, suspects);
    // A line may come after the reply that it belongs to.
    for (const [secret] of leaks(earlier, texts, told)) add("secret in the log", secret, []);
    earlier = requests;
    const now = digestOf(await snapshots.read());
    if (now !== first) add("changed without a note", now, everyone);
    await snapshots.restore();
    caller.empty();
    return { codes, findings };
  };

  /** The secrets that stand in a log, each with the requests that have it. */
  function leaks(
    requests: readonly Rendered[],
    texts: readonly string[],
    told: readonly string[],
  ): Map<string, number[]> {
    const found = new Map<string, number[]>();
    for (const [index, request] of requests.entries())
      for (const secret of leaksOf(request, texts, knownOf(request.queue).words).filter(
        (one) => !told.some((text) => text.includes(one)),
      ))
        found.set(secret, [...(found.get(secret) ?? []), index]);
    return found;
  }
}

/** Runs a task for each item, so many at a time. */
async function inFlight<T>(
  limit: number,
  items: readonly T[],
  task: (item: T) => Promise<unknown>,
): Promise<void> {
  const queue = items.values();
  const lane = async (): Promise<void> => {
    for (const item of queue) await task(item);
  };
  await Promise.all(Array.from({ length: limit }, lane));
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}

function textOf({ content }: FuzzReply): string {
  return shortenText(content.toString());
}
