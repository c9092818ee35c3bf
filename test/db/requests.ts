import assert from "node:assert/strict";
import { type LogLine, linesOf } from "../support/log-lines.ts";
import { assertRefused } from "../support/replies.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

/** A worker with a user who has logged in. */
export interface Served extends AsyncDisposable {
  readonly worker: TestWorker;
  /** Requests that need the database, by queue: they read, write, or both. */
  readonly requests: readonly (readonly [queue: string, request: object])[];
}

/** Maximum time until a caller gets 503, in milliseconds. */
const LIMIT = 2000;

/** How long a test waits for a reply, even on a loaded machine, in milliseconds. */
const REPLY_TIMEOUT = 60_000;

/**
 * A login revokes the user's earlier session, so the user that logs in during an outage is not the one with the tested
 * session.
 */
const CREDENTIALS = { username: "bobby", password: "correct horse" };

/** Starts a worker on a database, with default settings unless given. */
export async function startServed(database: object, config: Record<string, object> = {}): Promise<Served> {
  const worker = await startWorker({
    config: { ...config, db_settings: { ...database, ...config["db_settings"] } },
  });
  await worker.addUser("alice", CREDENTIALS.password);
  await worker.addUser(CREDENTIALS.username, CREDENTIALS.password);
  const idToken = await worker.login("alice", CREDENTIALS.password);
  const access_token = await worker.accessToken("root", ["admin"]);
  return {
    worker,
    requests: [
      ["login", CREDENTIALS],
      ["token", { id_token: idToken }],
      ["user_get", { username: "alice" }],
      ["group_all", { access_token }],
      ["group_create", { groupname: "made-in-a-fault", access_token }],
    ],
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
  };
}

/** Whether a login succeeds; asserts that it fails only with 503. */
export async function canLogIn({ worker }: Served): Promise<boolean> {
  const { resp_code } = await worker.call("login", CREDENTIALS);
  assert.ok(resp_code === 200 || resp_code === 503, `login: ${resp_code}`);
  return resp_code === 200;
}

interface Batch {
  /** How often each request is sent, all at once. */
  readonly times?: number;
  /** Queues to leave out. */
  readonly except?: readonly string[];
}

/** Asserts that every request is answered 503; returns the time of the slowest one, in milliseconds. */
export async function assertAllUnavailable(served: Served, batch: Batch = {}): Promise<number> {
  const calls = await callAll(served, batch);
  for (const { queue, reply } of calls) {
    assert.equal(reply.resp_code, 503, `${queue}: ${JSON.stringify(reply)}`);
    assertRefused(reply, 503, "UNAVAILABLE");
  }
  return Math.max(...calls.map(({ took }) => took));
}

/**
 * Asserts that one of five rounds takes less than two seconds: a loaded machine delays some rounds, a bug all of them.
 */
export async function assertInTime(round: () => Promise<number>): Promise<void> {
  const times: number[] = [];
  do times.push(Math.round(await round()));
  while (times.length < 5 && Math.min(...times) >= LIMIT);
  assert.ok(Math.min(...times) < LIMIT, `${times.join(", ")} ms`);
}

async function callAll({ worker, requests }: Served, { times = 1, except = [] }: Batch) {
  const chosen = requests.filter(([queue]) => !except.includes(queue));
  const calls = Array.from({ length: times }, () => chosen).flat();
  return Promise.all(
    calls.map(async ([queue, request]) => {
      const sentAt = performance.now();
      const reply = await worker.call(queue, request, REPLY_TIMEOUT);
      return { queue, reply, took: performance.now() - sentAt };
    }),
  );
}

/** Asserts that every request succeeds; the group may already exist. */
export async function assertAllServed({ worker, requests }: Served): Promise<void> {
  for (const [queue, request] of requests) {
    const { resp_code } = await worker.call(queue, request);
    const expected = queue === "group_create" ? [200, 409] : [200, 204];
    assert.ok(expected.includes(resp_code), `${queue}: ${resp_code}`);
  }
}

/** The 500 replies that a worker has logged: a database outage must not cause any. */
export function wrongReplies({ worker }: Served): LogLine[] {
  return linesOf(worker, "unexpected error in a request");
}
