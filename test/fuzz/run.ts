import fc from "fast-check";
import { PROCEDURES } from "../../src/procedures/index.ts";
import type { QueueName } from "../../src/wire/queues.ts";
import { type DatabaseKind, DATABASES } from "../support/worker.ts";
import { type FuzzTarget, startFuzzTarget } from "./target.ts";
import { mix } from "./hash-numbers.ts";
import { type Input, inputsFor } from "./requests.ts";
import { BATCH, createBatchRunner, QUEUES, SLOTS } from "./batch.ts";
import { type FuzzCounts, newCounts } from "./counts.ts";
import { makeVariant, type VariantName } from "./variants.ts";

/** Limits for reducing one finding: attempts, and milliseconds. */
const TRIES = 200;
const SHRINKING = 40_000;

/** One round in this number has only logins, enough to be throttled. */
const LOGINS_IN = 8;

/** Maximum number of findings that are reduced. */
const MAX_REDUCED = 30;

/**
 * Shorter reply timeout in milliseconds while a request is reduced; the smallest one is verified with the usual one.
 */
const SHRINK_TIMEOUT = 1000;

/** By default both databases and both variants. */
export interface Options {
  readonly seed: number;
  readonly databases?: readonly DatabaseKind[];
  readonly variants?: readonly VariantName[];
}

/** Targets under test. */
export interface FuzzRun extends AsyncDisposable {
  readonly counts: FuzzCounts;
  /** Sends a batch to each target; the same for the same seed and number. Stops early if `isOver` returns true. */
  round(number: number, isOver?: () => boolean): Promise<void>;
}

/** Starts a target for each variant on each database. */
export async function startFuzzRun({
  seed,
  databases = DATABASES,
  variants = ["strict", "open"],
}: Options): Promise<FuzzRun> {
  const configured = variants.map(makeVariant);
  const plans = databases.flatMap((database) => configured.map((variant) => ({ variant, database })));
  const started = await Promise.all(
    plans.map(({ variant, database }) => startFuzzTarget(variant, database, SLOTS)),
  );
  const targets = started.map((target, index) => prepareLoad(target, plans[index]?.variant.name));
  const counts = newCounts(QUEUES);
  return {
    counts,
    async round(number, isOver = () => false) {
      for (const target of targets) {
        if (isOver()) return;
        await sendBatch(target, counts, number, (place) => mix(seed, number, target.mark, place));
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(targets.map(({ target }) => target[Symbol.asyncDispose]()));
    },
  };
}

interface LoadedTarget {
  readonly target: FuzzTarget;
  /** Identifies a variant on a database, independent of the other targets. */
  readonly mark: number;
  readonly runBatch: ReturnType<typeof createBatchRunner>;
  readonly inputs: ReadonlyMap<QueueName, fc.Arbitrary<Input>>;
}

function prepareLoad(target: FuzzTarget, variant: VariantName | undefined): LoadedTarget {
  const mark = 2 * DATABASES.indexOf(target.database) + Number(variant === "open");
  const inputs = PROCEDURES.map((one) => [one.name, inputsFor(one, target.config.app)] as const);
  return { target, mark, runBatch: createBatchRunner(target), inputs: new Map(inputs) };
}

async function sendBatch(
  { target, runBatch, inputs }: LoadedTarget,
  counts: FuzzCounts,
  round: number,
  seedOf: (place: number) => number,
): Promise<void> {
  const batch = Array.from({ length: BATCH }, (_, place) => {
    const queue = round % LOGINS_IN === LOGINS_IN - 1 ? "login" : QUEUES[(place + round) % QUEUES.length]!;
    const source = inputs.get(queue)!;
    return { queue, source, input: first(source, seedOf(place)), seed: seedOf(place) };
  });
  const { codes, findings } = await runBatch(batch);
  for (const [index, { queue }] of batch.entries()) counts.count(queue, target.database, codes[index] ?? 0);
  for (const finding of findings) {
    const suspects = finding.suspects.map((index) => batch[index]!);
    const queue = finding.queue ?? (suspects.length === 1 ? suspects[0]?.queue : undefined);
    // Report each kind once, to save time.
    if (!counts.note(`${target.name} ${finding.kind} ${queue ?? ""}`, queue)) continue;
    const isWorthwhile = target.ended() === undefined && counts.reports.length < MAX_REDUCED;
    const smaller = isWorthwhile ? await shrink(suspects, finding.kind, runBatch) : {};
    const { kind, detail } = finding;
    const input = suspects.length === 1 ? suspects[0]?.input : undefined;
    counts.reports.push({
      ...{ kind, detail, queue, input, smallest: undefined, target: target.name, round },
      ...smaller,
    });
  }
  const reason = target.ended();
  if (reason !== undefined)
    throw new Error(`the worker ${target.name} has ended in round ${round}: ${reason}`);
}

/** Finds the smallest single request that reproduces a finding of this kind. */
async function shrink(
  suspects: readonly { queue: QueueName; source: fc.Arbitrary<Input>; seed: number }[],
  kind: string,
  runBatch: LoadedTarget["runBatch"],
): Promise<{ queue?: QueueName; detail?: string; smallest?: Input }> {
  const end = performance.now() + SHRINKING;
  for (const { queue, source, seed } of suspects) {
    let tries = 0;
    const seen = async (input: Input, timeout?: number): Promise<string | undefined> => {
      const { findings } = await runBatch([{ queue, input }], timeout);
      return findings.find((one) => one.kind === kind)?.detail;
    };
    const { counterexample } = await fc.check(
      fc.asyncProperty(source, async (input) => {
        const isEnough = ++tries > TRIES || performance.now() > end;
        return isEnough || (await seen(input, SHRINK_TIMEOUT)) === undefined;
      }),
      { seed, numRuns: 1 },
    );
    const smallest = counterexample?.[0];
    const detail = smallest && (await seen(smallest));
    if (smallest !== undefined && detail !== undefined) return { queue, detail, smallest };
    if (performance.now() > end) break;
  }
  return {};
}

/** The first value that a property generates from a seed, so that the same seed can reproduce and reduce it. */
function first<T>(source: fc.Arbitrary<T>, seed: number): T {
  const values: T[] = [];
  fc.check(
    fc.property(source, (value) => void values.push(value)),
    { seed, numRuns: 1 },
  );
  return values[0]!;
}
