import { PROCEDURES } from "../../src/procedures/index.ts";
import { queueNames } from "../../src/config/queues.ts";
import type { QueueName } from "../../src/wire/queues.ts";
import type { FuzzReply } from "./caller.ts";
import type { FuzzTarget } from "./target.ts";
import { checkReply, type Expectations, expectationsOf, leaksOf, shortenText } from "./check-reply.ts";
import { digestOf } from "./snapshots.ts";
import { probe } from "./probes.ts";
import { render, type Rendered } from "./rendered.ts";
import type { Input } from "./requests.ts";
import { hasEffect, maySucceed, type Rules } from "./rights.ts";
import { stateErrors } from "./state.ts";

/** A request and its queue. */
export interface FuzzRequest {
  readonly queue: QueueName;
  readonly input: Input;
}

/** A violation of a promise. */
export interface FuzzFinding {
  readonly kind: string;
  readonly detail: string;
  /** The requests of the batch that may have caused it. */
  readonly suspects: readonly number[];
  /** Set if the violation concerns one queue, whichever request caused it. */
  readonly queue?: QueueName;
}

/** The result of a batch. */
export interface BatchResult {
  /** The resp_code of each request; 0 for no reply. */
  readonly codes: readonly number[];
  readonly findings: readonly FuzzFinding[];
}

/** Number of requests in one batch. */
export const BATCH = 96;
const IN_FLIGHT = 16;

/** All queues. */
export const QUEUES: readonly QueueName[] = queueNames();
/** Number of reply queues that a target needs: one for each request of a batch, and one for each probe after it. */
export const SLOTS = BATCH + QUEUES.length;

/**
 * Creates a function that sends batches to one target and checks the results. No rejected request may change the
 * database, which is verified for every request in one of two ways:
 *
 * - Requests that cannot succeed without a valid token or password, and requests that only read, are sent with a
 *   concurrency of 16. Triggers record each change in its transaction, so that later changes cannot hide it: without
 *   any record, none of these requests has changed anything.
 * - Requests that could succeed with an effect are sent one at a time, and the records are checked after each. Every
 *   change is reverted immediately, so that each request meets the same initial state and a finding can be reduced.
 *
 * After each batch the rows are compared with the initial state, to find changes that no trigger records.
 */
export function createBatchRunner(target: FuzzTarget) {
  const { app } = target.config;
  const rules: Rules = { holders: target.issuedTokens.holders, anonymousUserGet: app.anonymous_user_get };
  const known = new Map<QueueName, Expectations>(
    PROCEDURES.map((one) => [one.name, expectationsOf(one, app)]),
  );
  const knownOf = (queue: QueueName): Expectations => known.get(queue)!;
  let first: string | undefined;
  let earlier: readonly Rendered[] = [];

  return async (batch: readonly FuzzRequest[], timeout?: number): Promise<BatchResult> => {
    const { snapshots, caller } = target;
    const findings: FuzzFinding[] = [];
    const requests = batch.map(({ queue, input }) => render(queue, input, target.issuedTokens.texts));
    const codes = requests.map(() => 0);
    const everyone = [...requests.keys()];
    const add = (kind: string, detail: string, suspects: readonly number[]): void =>
      void findings.push({ kind, detail: shortenText(detail), suspects });
    first ??= digestOf(await snapshots.read());

    const ask = async (index: number): Promise<number> => {
      const request = requests[index]!;
      if (target.ended() !== undefined) return 0;
      const reply = await target.send(index, request.queue, request, timeout);
      if (reply === undefined) {
        add("no reply", target.ended() ?? "the worker still runs", [index]);
        return 0;
      }
      const { code, problems } = checkReply(knownOf(request.queue), rules, request, reply);
      for (const { kind, detail } of problems) add(kind, detail, [index]);
      codes[index] = code;
      return code;
    };
    const isSingle = (index: number): boolean => {
      const request = requests[index]!;
      const { procedure } = knownOf(request.queue);
      return hasEffect(procedure) && maySucceed(procedure, request, rules);
    };
    const checkChanges = async (result: string, suspects: readonly number[]): Promise<void> => {
      const changes = await snapshots.changes();
      if (changes.length === 0) return;
      if (result !== "200") add("change without success", `${result}: ${changes.join(", ")}`, suspects);
      for (const error of stateErrors(await snapshots.read())) add("invalid state", error, suspects);
      await snapshots.restore();
    };

    const [singles, others] = partition(everyone, isSingle);
    await inFlight(IN_FLIGHT, others, ask);
    await checkChanges("requests that cannot succeed", others);
    for (const index of singles) await checkChanges(String(await ask(index)), [index]);
    if (target.ended() !== undefined) return { codes, findings };
    for (const { queue, detail } of await probe(target, QUEUES, BATCH))
      findings.push({ kind: "consumer", detail, suspects: everyone, queue });
    await checkChanges("probes of all queues", []);
    for (const index of everyone) {
      const replies = caller.repliesOf(index).map(textOf);
      if (replies.length > 1) add("more than one reply", replies.join(" "), [index]);
    }
    const { texts, problems } = target.log.take();
    for (const line of problems) add("log", line, everyone);
    // The log contains the caller's app_id and correlation_id, which may equal a secret of another request.
    const logged = [...earlier, ...requests]
      .flatMap(({ properties: { correlationId, appId } }) => [correlationId, appId])
      .flatMap((property) => (property !== undefined && "text" in property ? property.text : []));
    for (const [secret, suspects] of leaks(requests, texts, logged))
      add("secret in the log", secret, suspects);
    // A line may be logged after its reply.
    for (const [secret] of leaks(earlier, texts, logged)) add("secret in the log", secret, []);
    earlier = requests;
    const now = digestOf(await snapshots.read());
    if (now !== first) add("unrecorded change", now, everyone);
    await snapshots.restore();
    caller.empty();
    return { codes, findings };
  };

  /** The secrets in a log, each with the requests that contain it. */
  function leaks(
    requests: readonly Rendered[],
    texts: readonly string[],
    logged: readonly string[],
  ): Map<string, number[]> {
    const suspectsOf = new Map<string, number[]>();
    for (const [index, request] of requests.entries())
      for (const secret of leaksOf(request, texts, knownOf(request.queue).words).filter(
        (one) => !logged.some((text) => text.includes(one)),
      ))
        suspectsOf.set(secret, [...(suspectsOf.get(secret) ?? []), index]);
    return suspectsOf;
  }
}

/** Runs a task for each item with limited concurrency. */
async function inFlight<T>(
  limit: number,
  items: readonly T[],
  task: (item: T) => Promise<unknown>,
): Promise<void> {
  const queue = items.values();
  const loop = async (): Promise<void> => {
    for (const item of queue) await task(item);
  };
  await Promise.all(Array.from({ length: limit }, loop));
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}

function textOf({ content }: FuzzReply): string {
  return shortenText(content.toString());
}
