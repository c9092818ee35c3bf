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

/** So many tries, and so many milliseconds, to make one finding smaller. */
const TRIES = 200;
const SHRINKING = 40_000;

/** One round in so many is of logins alone: as many as it takes to have them wait. */
const LOGINS_IN = 8;

/** So many findings are made smaller. */
const MOST = 30;

/** A reply that is missing is missed sooner while a request is made smaller; the smallest one is tried in earnest. */
const SHRINK_TIMEOUT = 1000;

/** Both databases and both variants, unless others are named. */
export interface Options {
  readonly seed: number;
  readonly databases?: readonly DatabaseKind[];
  readonly variants?: readonly VariantName[];
}

/** Targets under load. */
export interface FuzzRun extends AsyncDisposable {
  readonly counts: FuzzCounts;
  /** A batch for each target; the same for the same seed and number. Stops early when told so. */
  round(number: number, isOver?: () => boolean): Promise<void>;
}

/** Starts a target for each variant on each database. */
export async function startFuzzRun({
  seed,
  databases = DATABASES,
  variants = ["strict", "open"],
}: Options): Promise<FuzzRun> {
  const made = variants.map(makeVariant);
  const plans = databases.flatMap((database) => made.map((variant) => ({ variant, database })));
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
  /** The same for one variant on one database, whichever others there are. */
  readonly mark: number;
  readonly fire: ReturnType<typeof createBatchRunner>;
  readonly inputs: ReadonlyMap<QueueName, fc.Arbitrary<Input>>;
}

function prepareLoad(target: FuzzTarget, variant: VariantName | undefined): LoadedTarget {
  const mark = 2 * DATABASES.indexOf(target.database) + Number(variant === "open");
  const inputs = PROCEDURES.map((one) => [one.name, inputsFor(one, target.config.app)] as const);
  return { target, mark, fire: createBatchRunner(target), inputs: new Map(inputs) };
}

async function sendBatch(
  { target, fire, inputs }: LoadedTarget,
  counts: FuzzCounts,
  round: number,
  seedOf: (place: number) => number,
): Promise<void> {
  const aimed = Array.from({ length: BATCH }, (_, place) => {
    const queue = round % LOGINS_IN === LOGINS_IN - 1 ? "login" : QUEUES[(place + round) % QUEUES.length]!;
    const source = inputs.get(queue)!;
    return { queue, source, input: first(source, seedOf(place)), seed: seedOf(place) };
  });
  const { codes, findings } = await fire(aimed);
  for (const [index, { queue }] of aimed.entries()) counts.count(queue, target.database, codes[index] ?? 0);
  for (const finding of findings) {
    const suspects = finding.suspects.map((index) => aimed[index]!);
    const queue = finding.queue ?? (suspects.length === 1 ? suspects[0]?.queue : undefined);
    // Once each: more of a kind would only cost time.
    if (!counts.note(`${target.name} ${finding.kind} ${queue ?? ""}`, queue)) continue;
    const isWorthwhile = target.ended() === undefined && counts.reports.length < MOST;
    const smaller = isWorthwhile ? await shrink(suspects, finding.kind, fire) : {};
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

/** The smallest request that shows a finding of this kind by itself. */
async function shrink(
  suspects: readonly { queue: QueueName; source: fc.Arbitrary<Input>; seed: number }[],
  kind: string,
  fire: LoadedTarget["fire"],
): Promise<{ queue?: QueueName; detail?: string; smallest?: Input }> {
  const end = performance.now() + SHRINKING;
  for (const { queue, source, seed } of suspects) {
    let tries = 0;
    const seen = async (input: Input, patience?: number): Promise<string | undefined> => {
      const { findings } = await fire([{ queue, input }], patience);
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

/** The value that a property makes first of a seed: so the same seed makes it again, and makes it smaller. */
function first<T>(source: fc.Arbitrary<T>, seed: number): T {
  const made: T[] = [];
  fc.check(
    fc.property(source, (value) => void made.push(value)),
    { seed, numRuns: 1 },
  );
  return made[0]!;
}
