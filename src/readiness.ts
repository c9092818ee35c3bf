import { setTimeout as sleep } from "node:timers/promises";
import type { Remote } from "./auth/sources.ts";
import { type Certificate, daysLeft, describeEnd, EXPIRY_WARNING_DAYS } from "./config/certificates.ts";
import { messageOf } from "./errors.ts";
import type { Dependency, Readiness } from "./observability/health.ts";

/** In milliseconds: the timeout of a database check, and how long its result is reused. */
const LIMIT = 1000;

/** The parts of a worker to check; a fault is a text, or undefined if the part works. */
interface ReadinessParts {
  /** Rejects if the database cannot be used. */
  readonly ping: () => Promise<void>;
  /** Rejects if the database cannot be written to. */
  readonly assertWritable: () => Promise<void>;
  readonly requests: { readonly fault: string | undefined };
  readonly replies: { readonly fault: string | undefined };
  /** The connection for events; undefined if they are not published. */
  readonly events: { readonly fault: string | undefined } | undefined;
  /** By default queue name. */
  readonly consumers: ReadonlyMap<string, { readonly fault: string | undefined }>;
  readonly remotes: readonly Remote[];
  /** The CA files: the setting's path and the certificates in the file. */
  readonly caFiles: readonly (readonly [key: string, certificates: readonly Certificate[]])[];
}

/** The phase of a worker's life. */
export type Phase = "starting" | "serving" | "stopping";

/** Creates the readiness check: whether a worker accepts requests, and the state of its dependencies. */
export function createReadiness(parts: ReadinessParts): (phase: Phase) => Promise<Readiness> {
  const findDatabaseFault = createDatabaseCheck(parts.ping);
  const findWriteFault = createDatabaseCheck(parts.assertWritable);
  return async (phase) => {
    // Do not report missing connections: the worker is closing them.
    if (phase === "stopping") return { status: "stopping", reason: "the worker stops", dependencies: {} };
    const database = await findDatabaseFault();
    const writes = database ?? (await findWriteFault());
    const dependencies = dependenciesOf(parts, { database, writes });
    const missing = Object.entries(dependencies)
      .filter(([, { state, required }]) => required && state !== "ok")
      .map(([name]) => name)
      // Without the connection for requests, no queue can be consumed: do not list them all.
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
      ...required(faults.writes, "requests that write are answered 503; run authmq doctor"),
      required: false,
    },
    "broker requests": required(requests.fault, "no requests arrive; check the broker and amqp_settings"),
    "broker replies": required(replies.fault, "no replies are sent; check the broker and amqp_settings"),
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
        { ...required(fault(), "its users cannot log in; run authmq doctor"), required: false },
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

/** A file is ok while one of its certificates is: a bundle contains old certificates and their successors. */
function certificatesOf(caFiles: ReadinessParts["caFiles"]): Dependency {
  const now = Date.now();
  const ends = caFiles.flatMap(([key, certificates]) => {
    const [last] = certificates.toSorted((a, b) => b.validTo.getTime() - a.validTo.getTime());
    const days = last === undefined ? EXPIRY_WARNING_DAYS : daysLeft(last, now);
    return last === undefined || days >= EXPIRY_WARNING_DAYS ? [] : [`${key}: ${describeEnd(last, days)}`];
  });
  if (ends.length === 0) return { state: "ok", required: false };
  const detail = `${ends.join("; ")}: add the new certificate to the file, and restart the workers`;
  return { state: "expiring", required: false, detail };
}

function required(fault: string | undefined, consequence: string): Dependency {
  return fault === undefined
    ? { state: "ok", required: true }
    : { state: "away", required: true, detail: `${fault.replace(/\.$/, "")}: ${consequence}` };
}

/** Checks the database at most once per LIMIT and never twice at the same time; concurrent callers share the result. */
function createDatabaseCheck(ping: () => Promise<void>): () => Promise<string | undefined> {
  let running: Promise<void> | undefined;
  let latest: { readonly fault: string | undefined; readonly since: number } | undefined;
  const record = (fault: string | undefined): void => {
    latest = { fault, since: performance.now() };
  };
  const check = async (): Promise<void> => {
    try {
      await ping();
      record(undefined);
    } catch (error) {
      record(messageOf(error).replace(/^database: /, ""));
    }
    running = undefined;
  };
  return async () => {
    if (latest !== undefined && performance.now() - latest.since < LIMIT) return latest.fault;
    const began = performance.now();
    await Promise.race([(running ??= check()), sleep(LIMIT, undefined, { ref: false })]);
    if (latest === undefined || latest.since < began) record(`it does not answer within ${LIMIT} ms`);
    return latest?.fault;
  };
}
