import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { decodeJwt } from "jose";
import { type AuthClient, AuthError, createSession, type SessionWorkflows } from "../../src/client/index.ts";
import { createAuth } from "../../src/create-auth.ts";
import { generateSecret } from "../../src/config/generate-key.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { alice, startWith } from "./session-setup.ts";

/** A client that counts its calls by workflow. */
function counting({ session }: AuthClient) {
  const calls = { login: 0, getAccessToken: 0, logout: 0 };
  return {
    calls,
    session: {
      login: (request: Parameters<typeof session.login>[0]) => (calls.login++, session.login(request)),
      getAccessToken: (request: Parameters<typeof session.getAccessToken>[0]) => (
        calls.getAccessToken++, session.getAccessToken(request)
      ),
      logout: (request: Parameters<typeof session.logout>[0]) => (calls.logout++, session.logout(request)),
    },
  };
}

/** Moves the clocks of the session and the worker (in this process too) forward by this many seconds. */
type PassTime = (seconds: number) => void;

/** Stops the wall clock at `now`, until it is moved. */
function holdClocks({ mock }: TestContext, now = Date.now()): PassTime {
  const steady = performance.now.bind(performance);
  let passed = 0;
  mock.timers.enable({ apis: ["Date"], now });
  mock.method(performance, "now", () => steady() + passed);
  return (seconds) => {
    passed += seconds * 1000;
    mock.timers.setTime(Date.now() + seconds * 1000);
  };
}

test("a session logs in once, on the first request for a token, and logs out on close", async () => {
  await using world = await startWith();
  const client = counting(world.auth);
  const session = createSession(client, { ...alice, vhost: "stage", ip: "10.0.0.1" });
  assert.deepEqual(client.calls, { login: 0, getAccessToken: 0, logout: 0 });
  const tokens = await Promise.all(Array.from({ length: 100 }, () => session.accessToken()));
  assert.equal(new Set(tokens).size, 1);
  assert.equal(await session.accessToken({ minimumValidity: 200 }), tokens[0]);
  assert.deepEqual(client.calls, { login: 1, getAccessToken: 1, logout: 0 });
  const { sub, groups, vhost } = decodeJwt<{ groups: unknown; vhost: unknown }>(tokens[0]!);
  assert.deepEqual({ sub, groups, vhost }, { sub: "alice", groups: ["dev"], vhost: "stage" });
  const admin = await world.worker.accessToken("root", ["admin"]);
  assert.equal((await world.auth.user.get({ ...alice, access_token: admin })).token_info?.ip, "10.0.0.1");

  await Promise.all([session.close(), session.close()]);
  await session.close();
  assert.equal(client.calls.logout, 1);
  assert.equal((await world.auth.user.get({ ...alice, access_token: admin })).token_info, null);
  await assert.rejects(session.accessToken(), /the session is closed/);
  await createSession(client, alice).close();
  assert.equal(client.calls.logout, 1, "a session without a login does not log out");
});

test("a token is renewed before it expires: in the background, or at once to meet minimumValidity", async (context) => {
  await using world = await startWith({ access_token_valid_time: 6 / 60 });
  const client = counting(world.auth);
  await using session = createSession(client, alice);
  const pass = holdClocks(context);
  const first = await session.accessToken({ minimumValidity: 1 });
  pass(3.2);
  // Less than half of its six seconds is left: this call still gets it, and a renewal starts.
  assert.equal(await session.accessToken({ minimumValidity: 1 }), first);
  assert.equal(client.calls.getAccessToken, 2);
  const second = await session.accessToken({ minimumValidity: 3 });
  assert.notEqual(second, first);
  pass(1.5);
  const tokens = await Promise.all(
    Array.from({ length: 20 }, () => session.accessToken({ minimumValidity: 5 })),
  );
  assert.equal(new Set(tokens).size, 1);
  assert.notEqual(tokens[0], second);
  assert.deepEqual(client.calls, { login: 1, getAccessToken: 3, logout: 0 });
});

test("a session logs in again before its ID token expires, because no access token outlives it", async (context) => {
  await using world = await startWith({ id_token_valid_time: 6 / 60, access_token_valid_time: 5 });
  const client = counting(world.auth);
  await using session = createSession(client, alice);
  const pass = holdClocks(context);
  const first = decodeJwt(await session.accessToken());
  assert.ok(first.exp! - first.iat! <= 6, `${first.exp! - first.iat!} s: it ends with its session`);
  pass(3.2);
  const second = decodeJwt(await session.accessToken({ minimumValidity: 4 }));
  assert.ok(second.exp! > first.exp!, `${second.exp!}, after ${first.exp!}`);
  // In the second half of the ID token's lifetime it requests a renewal once, and the installation refuses.
  assert.deepEqual(client.calls, { login: 2, getAccessToken: 3, logout: 0 });
  for (const login of [3, 4]) {
    pass(3.2);
    await session.accessToken({ minimumValidity: 4 });
    assert.deepEqual(client.calls, { login, getAccessToken: login + 1, logout: 0 }, "it asks once only");
  }
});

test("a session whose renewal time is over logs in again, and renews the new session", async (context) => {
  const times = { id_token_valid_time: 1, session_renewal_time: 100 / 60 };
  await using world = await startWith({ ...times, access_token_valid_time: 5 });
  const client = counting(world.auth);
  await using session = createSession(client, alice);
  const pass = holdClocks(context);
  const sidAfter = async (seconds: number): Promise<unknown> => {
    pass(seconds);
    const token = await session.accessToken();
    session.invalidate(token);
    return decodeJwt(token)["sid"];
  };
  const first = [await sidAfter(0), await sidAfter(32), await sidAfter(32), await sidAfter(20)];
  assert.equal(new Set(first).size, 1);
  assert.equal(client.calls.login, 1);
  // The hundred seconds are over soon: the last renewal has given no later end.
  const second = [await sidAfter(10), await sidAfter(32), await sidAfter(32)];
  assert.equal(new Set(second).size, 1);
  assert.notEqual(second[0], first[0]);
  // More than the minute of an ID token after its login: it was renewed.
  assert.equal(client.calls.login, 2);
});

test("a session requests its configured groups, or all groups by default", async () => {
  await using world = await startWith();
  const groupsOf = async (options: object): Promise<unknown> => {
    await using session = createSession(world.auth, { ...alice, ...options });
    return decodeJwt(await session.accessToken())["groups"];
  };
  assert.deepEqual([await groupsOf({}), await groupsOf({ groups: [] })], [["dev"], []]);
  await assert.rejects(groupsOf({ groups: ["ops"] }), { code: "INVALID_INPUT", respCode: 400 });
});

test("with a worker of an earlier version, without expires_in, every call fetches a token", async () => {
  let count = 0;
  const workflows = {
    login: async () => ({ id_token: "i" }),
    getAccessToken: async () => ({ access_token: String(count++) }),
    logout: async () => ({ msg: "logged out" }),
  };
  await using session = createSession({ session: workflows } as unknown as SessionWorkflows, alice);
  assert.deepEqual([await session.accessToken(), await session.accessToken()], ["0", "1"]);
});

test("a revoked session logs in again, and a session from an ID token cannot", async (context) => {
  await using world = await startWith({ access_token_valid_time: 1 / 60 });
  const client = counting(world.auth);
  await using session = createSession(client, { ...alice, password: async () => alice.password });
  const pass = holdClocks(context);
  await session.accessToken();
  const id_token = await world.worker.login("alice", alice.password); // this revokes the previous one
  await using borrowed = createSession(client, { idToken: id_token });
  await borrowed.accessToken();
  pass(1.1);
  const again = await session.accessToken();
  assert.equal(decodeJwt(again).sub, "alice");
  // One is the attempt to renew the given ID token, whose age is unknown.
  assert.deepEqual(client.calls, { login: 2, getAccessToken: 5, logout: 0 });
  pass(1.1);
  await assert.rejects(borrowed.accessToken(), { code: "INVALID_TOKEN", respCode: 401 });
});

test("invalidate drops the access token of a revoked session, and the next one is of a new login", async () => {
  await using world = await startWith();
  const client = counting(world.auth);
  await using session = createSession(client, alice);
  const first = await session.accessToken();
  const admin = await world.worker.accessToken("root", ["admin"]);
  await world.auth.session.revoke({ username: "alice", access_token: admin });
  assert.equal(await session.accessToken(), first, "nothing tells the session");
  await assert.rejects(world.auth.group.getAll({ access_token: first }), { code: "INVALID_TOKEN" });
  session.invalidate("another token");
  assert.equal(await session.accessToken(), first);
  session.invalidate(first);
  const tokens = await Promise.all(Array.from({ length: 20 }, () => session.accessToken()));
  const second = tokens[0]!;
  assert.equal(new Set(tokens).size, 1);
  assert.notEqual(decodeJwt(second)["sid"], decodeJwt(first)["sid"]);
  assert.deepEqual(client.calls, { login: 2, getAccessToken: 3, logout: 0 });
  assert.deepEqual(await world.auth.user.getAll({ access_token: second }), { users: ["alice"] });
  session.invalidate(first);
  assert.equal(await session.accessToken(), second, "a late rejection of the old token");
});

test("a failed login rejects with its error and is not retried until retryAfter has passed", async (context) => {
  const throttle = { free_failures: 1 };
  await using world = await startWith({ login_throttle: throttle });
  const client = counting(world.auth);
  let password = "wrong";
  await using session = createSession(client, { username: "alice", password: () => password });
  const ask = async (): Promise<AuthError> => {
    const error: unknown = await session.accessToken().catch((reason: unknown) => reason);
    assert.ok(error instanceof AuthError, String(error));
    return error;
  };
  const pass = holdClocks(context);
  const errors = await Promise.all(Array.from({ length: 20 }, ask));
  assert.deepEqual([...new Set(errors.map(({ code }) => code))], ["INVALID_CREDENTIALS"]);
  for (let turn = 0; turn < 20; turn++) assert.equal(await ask(), errors[0]);
  assert.equal(client.calls.login, 1, "the error is cached");
  pass(1.1);
  const second = await ask();
  pass(1.1);
  const third = await ask();
  const { retryAfter = 0 } = [second, third].find(({ code }) => code === "TOO_MANY_ATTEMPTS") ?? {};
  assert.ok(retryAfter > 0, `${second.code} ${third.code}`);
  const logins = client.calls.login;
  for (let turn = 0; turn < 20; turn++) await ask();
  assert.equal(client.calls.login, logins);
  password = alice.password;
  pass(retryAfter + 0.1);
  assert.equal(decodeJwt(await session.accessToken()).sub, "alice");
});

test("a session works with createAuth, without a broker", async () => {
  const value = Buffer.from(generateSecret("EdDSA").secret).toString("base64");
  await using auth = await createAuth({
    config: {
      jwt_creation: { issuer: "authmq", signmethod: "EdDSA", secret: { type: "base64key", value } },
      db_settings: { dialect: "sqlite", file: join(scratchFolder, `${randomBytes(6).toString("hex")}.db`) },
      app_config: { allow_registration: true, bcrypt_cost: 4 },
    },
  });
  await auth.migrate();
  await auth.user.register({ ...alice, password_confirm: alice.password, email: "alice@example.com" });
  await using session = createSession(auth, alice);
  const access_token = await session.accessToken();
  assert.deepEqual(await auth.user.getAll({ access_token }), { users: ["alice"] });
  await using wrong = createSession(auth, { ...alice, password: "wrong" });
  const refusals = await Promise.allSettled([wrong.accessToken(), wrong.accessToken()]);
  for (const refusal of refusals)
    assert.equal(refusal.status === "rejected" && (refusal.reason as AuthError).code, "INVALID_CREDENTIALS");
});

test("a clock that is set back does not extend a token or a cached error", async (context) => {
  let isRight = false;
  let count = 0;
  const workflows: SessionWorkflows["session"] = {
    login: async () => {
      if (isRight) return { id_token: "i", expires_at: "2026-11-30T10:00:00.000Z", expires_in: 86_400 };
      throw new AuthError(401, "wrong", { code: "INVALID_CREDENTIALS" });
    },
    getAccessToken: async () => ({
      access_token: String(count++),
      expires_at: "2001-01-01T00:00:00.000Z",
      expires_in: 5,
    }),
    logout: async () => ({ msg: "logged out" }),
  };
  await using session = createSession({ session: workflows }, alice);
  const setBack = (hours: number) => Date.now() - hours * 3_600_000;
  await assert.rejects(session.accessToken(), { code: "INVALID_CREDENTIALS" });
  const pass = holdClocks(context, setBack(1));
  pass(1.1);
  isRight = true;
  const first = await session.accessToken();
  context.mock.timers.setTime(setBack(1));
  pass(1.1);
  assert.equal(await session.accessToken({ minimumValidity: 0.1 }), first);
  pass(4);
  assert.notEqual(await session.accessToken({ minimumValidity: 0.1 }), first);
});
