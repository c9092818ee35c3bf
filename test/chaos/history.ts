import type { Effect } from "./effects.ts";
import { effectOf } from "./facts.ts";
import type { RequestRecord } from "./request-history.ts";
import type { Violation } from "./checker.ts";

/** A stage of a message, as a worker recorded it. */
export interface Delivery {
  readonly at: number;
  readonly pid: number;
  readonly stage: string;
  readonly correlationId: string;
}

const MAX_REQUESTS = 4;

/** Parses the workers' records: one line for each stage of each message. */
export function parseDeliveries(text: string): Delivery[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [at = "", pid = "", stage = "", , correlationId = ""] = line.split(" ");
      return { at: Number(at), pid: Number(pid), stage, correlationId };
    });
}

/** A violation with the history of its requests, as text. */
export function describeViolation(
  { kind, text, requests }: Violation,
  {
    effects,
    deliveries,
    startedAt,
  }: { effects: readonly Effect[]; deliveries: readonly Delivery[]; startedAt: number },
): string {
  const lines = requests
    .slice(0, MAX_REQUESTS)
    .flatMap((request) => describeRequest(request, { effects, deliveries, startedAt }));
  const more =
    requests.length > MAX_REQUESTS ? [`  and ${requests.length - MAX_REQUESTS} more requests`] : [];
  return [`${kind}: ${text}`, ...lines, ...more].join("\n");
}

function describeRequest(
  request: RequestRecord,
  {
    effects,
    deliveries,
    startedAt,
  }: { effects: readonly Effect[]; deliveries: readonly Delivery[]; startedAt: number },
): string[] {
  const { id, caller, intent, key, attempts, result } = request;
  const body = Object.entries(intent.body).map(([name, value]) => `${name} ${shorten(String(value))}`);
  const time = (at: number): string => `${((at - startedAt) / 1000).toFixed(3).padStart(9)} s`;
  const events = attempts.flatMap(({ correlationId, sentAt, link, confirmedAt, end, replies }) => [
    {
      at: sentAt,
      what: `${correlationId} sent over ${link}${end === undefined ? "" : `, ended by: ${end}`}`,
    },
    ...(confirmedAt === undefined
      ? []
      : [{ at: confirmedAt, what: `${correlationId} confirmed by the broker` }]),
    ...replies.map(({ at, code, text }) => ({
      at,
      what: `${correlationId} reply ${code} ${shorten(text)}`,
    })),
    ...deliveries
      .filter((delivery) => delivery.correlationId === correlationId)
      .map(({ at, pid, stage }) => ({ at, what: `${correlationId} ${stage} in process ${pid}` })),
  ]);
  const what = effectOf(request);
  const stem = what?.replace(/\*$/, "");
  const noted =
    stem === undefined
      ? []
      : effects
          .filter((effect) => effect.what.startsWith(stem))
          .map((effect) => ({
            at: Date.parse(`${effect.at.replace(" ", "T")}Z`),
            what: `NOTED ${effect.what}`,
          }));
  return [
    `  request ${id} of ${caller}: ${intent.queue} ${body.join(", ")}${key === undefined ? ", no key" : `, key ${key}`}`,
    ...[...events, ...noted]
      .toSorted((a, b) => a.at - b.at)
      .map(({ at, what: text }) => `   ${time(at)} ${text}`),
    `    reply: ${result === undefined ? "none" : `${result.code} (expected ${intent.expect})`}`,
  ];
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 60)}...${text.slice(-24)}` : text;
}
