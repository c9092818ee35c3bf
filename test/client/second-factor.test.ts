import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { decodeJwt } from "jose";
import {
  type AuthClient,
  AuthError,
  connect,
  createSession,
  type SecondFactorAnswer,
  type SecondFactorRequest,
} from "../../src/client/index.ts";
import { createAuth } from "../../src/create-auth.ts";
import { AppError } from "../../src/errors.ts";
import { Authenticator } from "../support/authenticator.ts";
import {
  codeOf,
  nextCodeOf,
  ORIGIN,
  PASSWORD,
  secondFactors,
  wrongCodeOf,
} from "../support/second-factor.ts";
import { DATABASES, startWorker, type DatabaseKind, type TestWorker } from "../support/worker.ts";

/** An installation with alice, who has a TOTP, and a client. */
interface Enrolled extends AsyncDisposable {
  readonly worker: TestWorker;
  readonly auth: AuthClient;
  readonly secret: string;
  readonly recoveryCodes: readonly string[];
  readonly accessToken: string;
}

const alice = { username: "alice", password: PASSWORD };

/** Starts two replicas, and enrols a TOTP through the client. */
async function startEnrolled({
  database = "sqlite",
  app = {},
}: {
  database?: DatabaseKind;
  app?: object;
} = {}): Promise<Enrolled> {
  await using stack = new AsyncDisposableStack();
  const worker = stack.use(await startWorker({ database, config: secondFactors({ ...app }) }));
  await worker.startReplica();
  await worker.addUser(alice.username, alice.password);
  const auth = stack.use(await connect({ url: worker.url }));
  const { id_token } = await auth.session.login(alice);
  const { access_token } = await auth.session.getAccessToken({ id_token });
  const { secret } = await auth.user.beginTotp({ access_token });
  const { recovery_codes = [] } = await auth.user.confirmTotp({ access_token, totp: codeOf(secret) });
  const all = stack.move();
  return {
    worker,
    auth,
    secret,
    recoveryCodes: recovery_codes,
    accessToken: access_token,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** A client that counts logins and their continuations. */
function counting({ session }: AuthClient) {
  const calls = { login: 0, loginContinue: 0 };
  return {
    calls,
    session: {
      ...session,
      login: (request: Parameters<typeof session.login>[0]) => (calls.login++, session.login(request)),
      loginContinue: (request: Parameters<typeof session.loginContinue>[0]) => (
        calls.loginContinue++, session.loginContinue(request)
      ),
    },
  };
}

/** A function for the option `secondFactor`, and the requests that it got. */
function answering(
  answer: (request: SecondFactorRequest) => SecondFactorAnswer | Promise<SecondFactorAnswer>,
) {
  const requests: SecondFactorRequest[] = [];
  return {
    requests,
    secondFactor: async (request: SecondFactorRequest) => {
      requests.push(request);
      return answer(request);
    },
  };
}

async function authErrorOf(promise: Promise<unknown>): Promise<AuthError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof AuthError, String(error));
  return error;
}

for (const database of DATABASES) {
  test(`a session gets its second factor from a function, on two replicas with ${database}`, async () => {
    await using enrolled = await startEnrolled({ database, app: { session_renewal_time: 60 } });
    const client = counting(enrolled.auth);
    const { requests, secondFactor } = answering(() => ({ totp: nextCodeOf(enrolled.secret) }));
    await using session = createSession(client, { ...alice, ip: "192.0.2.17", secondFactor });
    const tokens = await Promise.all(Array.from({ length: 20 }, () => session.accessToken()));
    assert.equal(new Set(tokens).size, 1);
    assert.deepEqual(decodeJwt(tokens[0] ?? "")["amr"], ["pwd", "otp", "mfa"]);
    assert.deepEqual(client.calls, { login: 1, loginContinue: 1 });
    const asked = requests.map(({ methods, passkeyOptions }) => [methods.toSorted(), passkeyOptions]);
    assert.deepEqual(asked, [[["recovery_code", "totp"], undefined]]);

    for (let turn = 0; turn < 4; turn++) session.invalidate(await session.accessToken());
    assert.equal(requests.length, 1, "an access token of the same session needs no second factor");
  });

  test(`a session takes a recovery code once, with ${database}`, async () => {
    await using enrolled = await startEnrolled({ database });
    const [code = ""] = enrolled.recoveryCodes;
    const options = { ...alice, secondFactor: () => ({ recovery_code: code }) };
    await using first = createSession(enrolled.auth, options);
    await first.accessToken();
    await using second = createSession(enrolled.auth, options);
    await assert.rejects(second.accessToken(), { code: "INVALID_CREDENTIALS", respCode: 401 });
  });
}

test("a session takes the credential of a passkey", async () => {
  await using enrolled = await startEnrolled();
  const { auth, accessToken: access_token } = enrolled;
  const device = new Authenticator();
  const { passkey_options } = await auth.user.beginPasskey({ access_token });
  const credential = device.create(passkey_options, { origin: ORIGIN });
  await auth.user.confirmPasskey({ access_token, credential, name: "laptop" });
  await using session = createSession(auth, {
    ...alice,
    secondFactor: ({ methods, passkeyOptions = {} }) => {
      assert.ok(methods.includes("passkey"));
      return { passkey: device.get(passkeyOptions, { origin: ORIGIN }) };
    },
  });
  assert.deepEqual(decodeJwt(await session.accessToken())["amr"], ["pwd", "hwk", "mfa"]);
});

test("a wrong code rejects with the error of login_continue, and the next call logs in again", async () => {
  await using enrolled = await startEnrolled();
  const client = counting(enrolled.auth);
  let code = wrongCodeOf(enrolled.secret);
  await using session = createSession(client, { ...alice, secondFactor: () => ({ totp: code }) });
  const errors = await Promise.all(Array.from({ length: 10 }, () => authErrorOf(session.accessToken())));
  assert.equal(new Set(errors).size, 1);
  assert.deepEqual([errors[0]?.code, errors[0]?.challenge], ["INVALID_CREDENTIALS", undefined]);
  assert.equal(await authErrorOf(session.accessToken()), errors[0], "the error is cached for a second");
  assert.deepEqual(client.calls, { login: 1, loginContinue: 1 });
  code = nextCodeOf(enrolled.secret);
  await using another = createSession(client, { ...alice, secondFactor: () => ({ totp: code }) });
  await another.accessToken();
});

test("without the function a session fails with one error, which the caller can continue", async () => {
  await using enrolled = await startEnrolled();
  const client = counting(enrolled.auth);
  await using session = createSession(client, alice);
  const error = await authErrorOf(session.accessToken());
  assert.equal(error.code, "SECOND_FACTOR_REQUIRED");
  for (let turn = 0; turn < 20; turn++) assert.equal(await authErrorOf(session.accessToken()), error);
  assert.deepEqual(client.calls, { login: 1, loginContinue: 0 });
  const { challenge = "" } = error;
  const { id_token } = await enrolled.auth.session.loginContinue({
    challenge,
    totp: nextCodeOf(enrolled.secret),
  });
  await using continued = createSession(client, { idToken: id_token });
  await continued.accessToken();
});

test("a session whose account must enrol a factor rejects with the setup token, and asks for no code", async () => {
  await using worker = await startWorker({ config: secondFactors({ second_factor: "required" }) });
  await worker.addUser(alice.username, alice.password);
  await using auth = await connect({ url: worker.url });
  const { requests, secondFactor } = answering(() => ({ totp: "000000" }));
  const client = counting(auth);
  await using session = createSession(client, { ...alice, secondFactor });
  const error = await authErrorOf(session.accessToken());
  assert.equal(error.code, "SECOND_FACTOR_SETUP_REQUIRED");
  await sleep(1500); // other errors are repeated for a second
  assert.equal(await authErrorOf(session.accessToken()), error);
  assert.equal(client.calls.login, 1);
  assert.equal(error.challenge, undefined);
  assert.ok(!inspect(error).includes(error.setupToken ?? "missing"), "the setup token would be logged");
  assert.equal(requests.length, 0);
  const holder = { setup_token: error.setupToken };
  const { secret } = await auth.user.beginTotp(holder);
  const { id_token = "" } = await auth.user.confirmTotp({ ...holder, totp: codeOf(secret) });
  await using enrolled = createSession(auth, { idToken: id_token });
  assert.deepEqual(decodeJwt(await enrolled.accessToken())["amr"], ["pwd", "otp", "mfa"]);
});

test("errors of the function reach the caller, and do not cause one login after the other", async () => {
  await using enrolled = await startEnrolled();
  const client = counting(enrolled.auth);
  const asked = new Error("nobody is at the terminal");
  await using failing = createSession(client, { ...alice, secondFactor: () => Promise.reject(asked) });
  for (let turn = 0; turn < 5; turn++) await assert.rejects(failing.accessToken(), asked);
  assert.deepEqual(client.calls, { login: 1, loginContinue: 0 });
  for (const [answer, message] of [
    [undefined, "the result of secondFactor() must be an object, not undefined"],
    ["123456", "the result of secondFactor() must be an object, not this string"],
    [{}, "the result of secondFactor(): totp or recovery_code or passkey is missing"],
    [
      { totp: "1", recovery_code: "2" },
      "the result of secondFactor(): pass only one of totp or recovery_code or passkey",
    ],
    [
      { totp: 123456 },
      "the result of secondFactor().totp must be a string that is not empty, not this number",
    ],
  ] as const) {
    // As a JavaScript caller may write it.
    const secondFactor = () => answer as unknown as SecondFactorAnswer;
    await using wrong = createSession(client, { ...alice, secondFactor });
    await assert.rejects(wrong.accessToken(), { name: "TypeError", message: `createSession: ${message}` });
  }
  assert.equal(client.calls.loginContinue, 0);
});

test("close ends a session whose second factor nobody enters", async () => {
  await using enrolled = await startEnrolled();
  const { promise: asked, resolve } = Promise.withResolvers<AbortSignal>();
  const session = createSession(enrolled.auth, {
    ...alice,
    secondFactor: ({ signal }) => (resolve(signal), new Promise(() => undefined)),
  });
  const token = assert.rejects(session.accessToken(), /the session is closed/);
  const signal = await asked;
  await session.close();
  assert.equal(signal.aborted, true);
  await token;
});

test("createAuth and its sessions ask for a second factor in the same way", async () => {
  await using enrolled = await startEnrolled();
  await using auth = await createAuth({ config: enrolled.worker.raw });
  const error: unknown = await auth.session.login(alice).catch((reason: unknown) => reason);
  assert.ok(error instanceof AppError);
  const { challenge = "", methods, passkeyOptions, setupToken } = error;
  assert.deepEqual(
    [methods?.toSorted(), passkeyOptions, setupToken],
    [["recovery_code", "totp"], undefined, undefined],
  );
  for (const text of [inspect(error), JSON.stringify(error)])
    assert.ok(!text.includes(challenge), "the challenge would be logged");
  const [recovery_code = "", another = ""] = enrolled.recoveryCodes;
  await auth.session.loginContinue({ challenge, recovery_code });
  await using session = createSession(auth, {
    ...alice,
    secondFactor: () => ({ recovery_code: another }),
  });
  await session.accessToken();
});
