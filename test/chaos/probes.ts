import { setTimeout as sleep } from "node:timers/promises";
import type { Intents, KnownUser } from "./intents.ts";
import { type Intent, isDone } from "./request-history.ts";
import type { Sender } from "./sender.ts";

const INTERVAL = 50;
const IN_A_ROW = 10;
/** Maximum number of waiting probes of one kind. */
const MAX_WAITING = 6;
const PROBE_LIMIT = 2000;

interface ProbeOptions {
  readonly sender: Sender;
  readonly intents: Intents;
  readonly bystander: KnownUser;
  /** End of the fault, in milliseconds since 1970. */
  readonly since: number;
  /** Time limit in seconds. */
  readonly limit: number;
}

/**
 * Seconds from the fault's end to the reply of the first of ten consecutive successful probes: the maximum of reads and
 * writes. Undefined if the limit was exceeded.
 */
export async function measureRecovery(options: ProbeOptions): Promise<number | undefined> {
  const { intents, bystander } = options;
  let serial = 0;
  const kinds = await Promise.all([
    probe(options, () => intents.getUser(bystander)),
    probe(options, () => intents.createGroup(`probe-${++serial}`)),
  ]);
  const [read, write] = kinds;
  return read === undefined || write === undefined ? undefined : Math.max(read, write);
}

async function probe(
  { sender, since, limit }: ProbeOptions,
  next: () => Intent,
): Promise<number | undefined> {
  /** In the order of sending: the time of the reply, or false for a failure. */
  const results: (number | false | undefined)[] = [];
  let waiting = 0;
  while (Date.now() < since + limit * 1000) {
    if (waiting < MAX_WAITING) {
      const index = results.push(undefined) - 1;
      waiting++;
      void sender.send(next(), { caller: "probe", limit: PROBE_LIMIT }).then((request) => {
        waiting--;
        results[index] = isDone(request) && Date.now();
      });
    }
    const first = firstOfRun(results);
    if (first !== undefined) return Math.max(0, first - since) / 1000;
    await sleep(INTERVAL);
  }
  return undefined;
}

function firstOfRun(results: readonly (number | false | undefined)[]): number | undefined {
  let run: number[] = [];
  for (const result of results) {
    if (typeof result !== "number") run = [];
    else if (run.push(result) === IN_A_ROW) return run[0];
  }
  return undefined;
}
