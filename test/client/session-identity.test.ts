import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { decodeJwt } from "jose";
import { AuthError, createSession, NoReplyError, SessionLimitError } from "../../src/client/index.ts";
import { alice, startWith } from "./session-setup.ts";
import { dataOf } from "../support/replies.ts";
import type { TestWorker } from "../support/worker.ts";

async function createKey(worker: TestWorker): Promise<{ api_key: string; id: string }> {
  const access_token = await worker.accessToken("root", ["admin"]);
  const request = { username: "alice", name: "service", access_token };
  return dataOf(await worker.call("api_key_create", request)) as { api_key: string; id: string };
}

test("a session with an API key needs no login and no logout, and twelve replicas can share the key", async () => {
  await using started = await startWith({});
  const { worker, auth } = started;
  const { api_key, id } = await createKey(worker);
  const sessions = Array.from({ length: 12 }, () => createSession(auth, { apiKey: () => api_key }));
  const tokens = await Promise.all(sessions.map((session) => session.accessToken()));
  for (const text of tokens) {
    assert.equal(decodeJwt(text)["api_key_id"], id);
    dataOf(await worker.call("group_all", { access_token: text }));
  }
  await Promise.all(sessions.map((session) => session.close()));
  dataOf(await worker.call("token", { api_key }));
  const { token } = await worker.db
    .selectFrom("token")
    .select((is) => is.fn.countAll<number>().as("token"))
    .executeTakeFirstOrThrow();
  assert.equal(token, 0, "there are sessions");
});

test("a session with a revoked API key rejects with INVALID_TOKEN", async () => {
  await using started = await startWith({});
  const { worker, auth } = started;
  const { api_key, id } = await createKey(worker);
  const access_token = await worker.accessToken("root", ["admin"]);
  await using running = createSession(auth, { apiKey: api_key });
  const text = await running.accessToken();
  dataOf(await worker.call("api_key_revoke", { username: "alice", id, access_token }));
  await using another = createSession(auth, { apiKey: api_key });
  running.invalidate(text);
  for (const session of [running, another])
    await assert.rejects(session.accessToken(), (error) => {
      assert.ok(error instanceof AuthError, String(error));
      assert.deepEqual([error.code, error.respCode], ["INVALID_TOKEN", 401]);
      return true;
    });
});

test("replicas that share a password do not revoke each other where several sessions are allowed", async () => {
  await using started = await startWith({ sessions_per_user: 12 });
  const { worker, auth } = started;
  const sessions = Array.from({ length: 12 }, () => createSession(auth, alice));
  const tokens = await Promise.all(sessions.map((session) => session.accessToken()));
  for (const access_token of tokens) dataOf(await worker.call("group_all", { access_token }));
  await Promise.all(sessions.map((session) => session.close()));
});

test("replicas that share a password get one clear error where one session is allowed, and no login loop", async () => {
  await using started = await startWith({});
  const { worker, auth } = started;
  const replicas = [createSession(auth, alice), createSession(auth, alice)];
  const errors: unknown[] = [];
  for (let round = 0; round < 12; round++)
    // Every call needs a new access token.
    for (const replica of replicas)
      await replica.accessToken().then(
        (text) => replica.invalidate(text),
        (error: unknown) => errors.push(error),
      );
  assert.ok(errors.length > 0, "no error in twelve rounds");
  for (const error of errors) assert.ok(error instanceof SessionLimitError, String(error));
  assert.match(String(errors[0]), /"alice".*API key.*sessions_per_user/);
  const logins = await worker.db
    .selectFrom("event")
    .select((is) => is.fn.countAll<number>().as("count"))
    .where("type", "=", "session.started")
    .executeTakeFirstOrThrow();
  assert.ok(logins.count <= 8, `${logins.count} logins`);
  await Promise.all(replicas.map((replica) => replica.close()));
});

test("a password session renews its ID token instead of logging in again", async () => {
  await using started = await startWith({
    id_token_valid_time: 0.1, // six seconds
    access_token_valid_time: 0.02,
    session_renewal_time: 60,
  });
  const { worker, auth } = started;
  await using session = createSession(auth, alice);
  const sids = new Set<unknown>();
  for (const end = Date.now() + 9_000; Date.now() < end; )
    sids.add(decodeJwt(await session.accessToken({ minimumValidity: 0.5 }))["sid"]);
  assert.equal(sids.size, 1, "it has logged in again");
  const started_ = await worker.db
    .selectFrom("event")
    .select("id")
    .where("type", "=", "session.started")
    .execute();
  assert.equal(started_.length, 1, "it has logged in again");
});

test("a session from an ID token stays alive by renewal, also while nobody uses it", async () => {
  await using started = await startWith({ id_token_valid_time: 0.1, session_renewal_time: 60 });
  const { worker, auth } = started;
  const idToken = await worker.login(alice.username, alice.password);
  await using session = createSession(auth, { idToken });
  await session.accessToken();
  const validUntil = async (): Promise<number> =>
    Date.parse(
      `${(await worker.db.selectFrom("token").select("valid_until").executeTakeFirstOrThrow()).valid_until}Z`,
    );
  const first = await validUntil();
  const end = Date.now() + 20_000;
  while ((await validUntil()) <= first + 3_000 && Date.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok((await validUntil()) > first + 3_000, "it was not renewed");
  assert.equal(decodeJwt(await session.accessToken())["sid"], decodeJwt(idToken)["sid"]);
});

/** A client without a broker; its ID tokens are valid for an hour. Ticks move its clocks and timers. */
function hourly({ mock }: TestContext, getAccessToken: (count: number) => object) {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const issue = (): string =>
    `${encode({ typ: "id+jwt", alg: "EdDSA" })}.${encode({ exp: Date.now() / 1000 + 3600 })}.AAAA`;
  const steady = performance.now();
  mock.timers.enable({ apis: ["Date", "setTimeout"] });
  mock.method(performance, "now", () => steady + Date.now());
  const seen: { logins: number; renewals: (boolean | null | undefined)[] } = { logins: 0, renewals: [] };
  const expires_at = new Date(0).toISOString();
  const session = {
    async login() {
      if (++seen.logins > 1) throw new AuthError(401, "wrong", { code: "INVALID_CREDENTIALS" });
      return { id_token: issue(), expires_at, expires_in: 3600 };
    },
    logout: async () => ({ msg: "" }),
    async getAccessToken({ renew }: { renew?: boolean | null | undefined }) {
      seen.renewals.push(renew);
      const more = getAccessToken(seen.renewals.length);
      return { access_token: "a.b.c", expires_at, expires_in: 300, ...more };
    },
  };
  const pass = async (seconds: number): Promise<void> => {
    mock.timers.tick(seconds * 1000);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  return { client: { session }, issue, seen, pass };
}

test("a renewal in the background that failed is tried again before the ID token expires", async (t) => {
  const { client, issue, seen, pass } = hourly(t, (count) => {
    if (count === 1) throw new NoReplyError("the broker is away");
    return {
      id_token: "d.e.f",
      id_token_expires_at: new Date(0).toISOString(),
      id_token_expires_in: 3600,
    };
  });
  await using kept = createSession(client, { idToken: issue() });
  await pass(2699);
  assert.deepEqual(seen.renewals, []);
  await pass(1);
  assert.deepEqual(seen.renewals, [true]);
  await pass(90);
  assert.deepEqual(seen.renewals, [true, true]);
  await pass(2000);
  assert.deepEqual(seen.renewals, [true, true], "the new ID token was renewed before its time");
  await kept.close();
});

test("a session that was revoked is not logged in again in the background, with a password that may be old", async (t) => {
  const { client, seen, pass } = hourly(t, (count) => {
    if (count > 1) throw new AuthError(401, "revoked", { code: "INVALID_TOKEN" });
    return {};
  });
  await using kept = createSession(client, { ...alice });
  await kept.accessToken();
  await pass(2700);
  assert.deepEqual([seen.renewals, seen.logins], [[undefined, true], 2]);
  await pass(890);
  assert.equal(seen.logins, 2);
  await assert.rejects(kept.accessToken(), { code: "INVALID_CREDENTIALS" });
  assert.equal(seen.logins, 3);
});
