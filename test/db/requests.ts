import assert from "node:assert/strict";
import { type LogLine, linesOf } from "../support/log-lines.ts";
import { assertRefused } from "../support/replies.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

/** A worker with a user who has logged in. */
export interface Served extends AsyncDisposable {
  readonly worker: TestWorker;
  /** Requests that need the database, by their queue: they read, write, or do both. */
  readonly requests: readonly (readonly [queue: string, request: object])[];
}

/** The longest that a caller waits for its 503, in milliseconds. */
const LIMIT = 2000;

/** So long a test waits for an answer, whatever the machine does beside it, in milliseconds. */
const RETRY_LIMIT = 60_000;

/** Logging in ends an earlier session: who logs in during a fault is not the one whose session is looked at. */
const CREDENTIALS = { username: "bobby", password: "correct horse" };

/** Starts a worker on a database, with the settings as they are by default unless others are given. */
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

/** Whether a login succeeds; asserts that it is refused by nothing but the fault. */
export async function canLogIn({ worker }: Served): Promise<boolean> {
  const { resp_code } = await worker.call("login", CREDENTIALS);
  assert.ok(resp_code === 200 || resp_code === 503, `login: ${resp_code}`);
  return resp_code === 200;
}

interface Batch {
  /** So often each request is made, all at the same time. */
  readonly times?: number;
  /** Queues to leave out. */
  readonly except?: readonly string[];
}

/** Asserts that every request is answered 503; gives the time of the slowest one, in milliseconds. */
export async function assertAllUnavailable(served: Served, batch: Batch = {}): Promise<number> {
  const calls = await callAll(served, batch);
  for (const { queue, reply } of calls) {
    assert.equal(reply.resp_code, 503, `${queue}: ${JSON.stringify(reply)}`);
    assertRefused(reply, 503, "UNAVAILABLE");
  }
  return Math.max(...calls.map(({ took }) => took));
}

/** Asserts that one of five rounds takes less than two seconds: a busy machine delays some of them, a mistake all. */
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
      const reply = await worker.call(queue, request, RETRY_LIMIT);
      return { queue, reply, took: performance.now() - sentAt };
    }),
  );
}

/** Asserts that every request is answered as if nothing had happened; the group may be there already. */
export async function assertAllServed({ worker, requests }: Served): Promise<void> {
  for (const [queue, request] of requests) {
    const { resp_code } = await worker.call(queue, request);
    const expected = queue === "group_create" ? [200, 409] : [200, 204];
    assert.ok(expected.includes(resp_code), `${queue}: ${resp_code}`);
  }
}

/** The replies of 500 that a worker has logged: a fault of the database must never be one. */
export function wrongReplies({ worker }: Served): LogLine[] {
  return linesOf(worker, "unexpected error in a request");
}
