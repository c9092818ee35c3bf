import { setTimeout as sleep } from "node:timers/promises";
import type { Remote } from "./auth/sources.ts";
import { type Certificate, daysLeft, describeEnd, EXPIRY_WARNING_DAYS } from "./config/certificates.ts";
import { messageOf } from "./errors.ts";
import type { Dependency, Readiness } from "./observability/health.ts";

/** A question to the database is given up after so many milliseconds, and what is known then holds for as long. */
const LIMIT = 1000;

/** What is asked of a worker's parts; a fault is the words for what is wrong now, undefined where nothing is. */
interface ReadinessParts {
  /** Rejects when the database cannot be used. */
  readonly ping: () => Promise<void>;
  /** Rejects when the database takes no writes. */
  readonly assertWritable: () => Promise<void>;
  readonly requests: { readonly fault: string | undefined };
  readonly replies: { readonly fault: string | undefined };
  /** Where events are published. */
  readonly events: { readonly fault: string | undefined } | undefined;
  /** By the queues' default names. */
  readonly consumers: ReadonlyMap<string, { readonly fault: string | undefined }>;
  readonly remotes: readonly Remote[];
  /** The CA files, each with its key and the certificates in it. */
  readonly caFiles: readonly (readonly [key: string, certificates: readonly Certificate[]])[];
}

/** Where a worker is between its start and its end. */
export type Phase = "starting" | "serving" | "stopping";

/** Tells whether a worker in a phase takes requests, and what it depends on; within little more than a second. */
export function createReadiness(parts: ReadinessParts): (phase: Phase) => Promise<Readiness> {
  const findDatabaseFault = createProbe(parts.ping);
  const findWriteFault = createProbe(parts.assertWritable);
  return async (phase) => {
    // Its connections are being closed: that they are away is no news.
    if (phase === "stopping") return { status: "stopping", reason: "the worker stops", dependencies: {} };
    const database = await findDatabaseFault();
    const writes = database ?? (await findWriteFault());
    const dependencies = dependenciesOf(parts, { database, writes });
    const missing = Object.entries(dependencies)
      .filter(([, { state, required }]) => required && state !== "ok")
      .map(([name]) => name)
      // Without the connection for requests no queue is consumed, which goes without saying.
      .filter((name) => parts.requests.fault === undefined || !name.startsWith("queue "));
    if (phase === "starting") {
      const reason = ["the worker starts", ...missing.map((name) => `waits for ${name}`)].join(", ");
      return { status: "starting", reason, dependencies };
    }
    if (missing.length > 0)
      return { status: "not ready", reason: `away: ${missing.join(", ")}`, dependencies };
    return { status: "ready", dependencies };
  };
}

function dependenciesOf(
  { requests, replies, events, consumers, remotes, caFiles }: ReadinessParts,
  faults: { readonly database: string | undefined; readonly writes: string | undefined },
): Record<string, Dependency> {
  return {
    database: required(faults.database, "requests are answered 503; check the database and db_settings"),
    writes: {
      ...required(faults.writes, "requests that change something are answered 503; authmq doctor tells more"),
      required: false,
    },
    "broker requests": required(requests.fault, "no request comes in; check the broker and amqp_settings"),
    "broker replies": required(replies.fault, "no reply goes out; check the broker and amqp_settings"),
    ...Object.fromEntries(
      Array.from(consumers, ([name, { fault }]) => [
        `queue ${name}`,
        required(
          fault !== undefined && requests.fault !== undefined ? "it waits for a connection" : fault,
          "its requests wait in the broker",
        ),
      ]),
    ),
    ...Object.fromEntries(
      remotes.map(({ name, fault }) => [
        name,
        { ...required(fault(), "its users cannot log in; authmq doctor tells more"), required: false },
      ]),
    ),
    ...(events && {
      "broker events": {
        ...required(events.fault, "events wait in the database; check the broker and event_settings"),
        required: false,
      },
    }),
    ...(caFiles.length > 0 && { certificates: certificatesOf(caFiles) }),
  };
}

/** A file is in order while one of its certificates is valid for longer: a bundle holds old ones beside their successors. */
function certificatesOf(caFiles: ReadinessParts["caFiles"]): Dependency {
  const now = Date.now();
  const ends = caFiles.flatMap(([key, certificates]) => {
    const [last] = certificates.toSorted((a, b) => b.validTo.getTime() - a.validTo.getTime());
    const days = last === undefined ? EXPIRY_WARNING_DAYS : daysLeft(last, now);
    return last === undefined || days >= EXPIRY_WARNING_DAYS ? [] : [`${key}: ${describeEnd(last, days)}`];
  });
  if (ends.length === 0) return { state: "ok", required: false };
  const detail = `${ends.join("; ")}: put the successor into the file, and restart the workers`;
  return { state: "expiring", required: false, detail };
}

function required(fault: string | undefined, consequence: string): Dependency {
  return fault === undefined
    ? { state: "ok", required: true }
    : { state: "away", required: true, detail: `${fault.replace(/\.$/, "")}: ${consequence}` };
}

/** Finds out what is wrong with the database; however many ask, one question is under way, and one a second asked. */
function createProbe(ping: () => Promise<void>): () => Promise<string | undefined> {
  let underWay: Promise<void> | undefined;
  let known: { readonly fault: string | undefined; readonly since: number } | undefined;
  const learn = (fault: string | undefined): void => {
    known = { fault, since: performance.now() };
  };
  const ask = async (): Promise<void> => {
    try {
      await ping();
      learn(undefined);
    } catch (error) {
      learn(messageOf(error).replace(/^database: /, ""));
    }
    underWay = undefined;
  };
  return async () => {
    if (known !== undefined && performance.now() - known.since < LIMIT) return known.fault;
    const asked = performance.now();
    await Promise.race([(underWay ??= ask()), sleep(LIMIT, undefined, { ref: false })]);
    if (known === undefined || known.since < asked) learn(`it does not answer within ${LIMIT} ms`);
    return known?.fault;
  };
}
