import assert from "node:assert/strict";
import { test } from "node:test";
import * as client from "../../src/client/index.ts";
import { generateSecret } from "../../src/config/generate-key.ts";
import { done, startResponder } from "./responder.ts";

type Call = (...args: readonly unknown[]) => unknown;

/** Untyped, as JavaScript callers see them. */
const connect = client.connect as unknown as Call;
const createSession = client.createSession as unknown as Call;
const createVerifier = client.createVerifier as unknown as Call;

const url = "amqp://user:hidden-secret@127.0.0.1:1/";
const nodes = [{ host: "a" }];
const login = { username: "alice", password: "hidden-secret" };
const keys = generateSecret("EdDSA").publicKey;

/** Invalid arguments for each function, with the start of the error message. */
const WRONG: Readonly<Record<string, readonly (readonly [message: string, ...args: unknown[]])[]>> = {
  connect: [
    ["options must be an object, not undefined"],
    ["options must be an object, not null", null],
    ["options must be an object, not this string", url],
    ["options must be an object, not a list", [url]],
    ["url or nodes is missing", {}],
    ["url or nodes is missing", { url: undefined }],
    ["url or nodes is missing", { host: "a", username: "u", password: "p" }],
    ["pass only one of url or nodes", { url, nodes }],
    ["url must be a string that is not empty", { url: new URL(url) }],
    ["url must be a string that is not empty", { url: "" }],
    ["vhost is unknown: the options are url,", { url, vhost: "prod" }],
    ["hearbeat is unknown", { url, hearbeat: 5 }],
    ["timeout must be a number, not this string", { url, timeout: "5" }],
    ["ca must be a PEM", { url, ca: 1 }],
    ["ca must be a PEM, not null", { url, ca: null }],
    ["appId must be a string", { url, appId: 7 }],
    ["connectionName must be a string", { url, connectionName: {} }],
    ["headers must be a function", { url, headers: { traceparent: "1" } }],
    ["queues must be an object, not a list", { url, queues: ["login"] }],
    ["queues.logn is unknown", { url, queues: { logn: "x" } }],
    ["queues.login must be a string", { url, queues: { login: 1 } }],
    ["username is missing", { nodes, password: "p" }],
    ["password is missing", { nodes, username: "u" }],
    ["nodes must be a list", { nodes: "a", username: "u", password: "p" }],
    ["nodes[0] must be an object", { nodes: ["a"], username: "u", password: "p" }],
    ["nodes[1].host is missing", { nodes: [...nodes, {}], username: "u", password: "p" }],
    ["nodes[0].port must be a port", { nodes: [{ host: "a", port: "5672" }], username: "u", password: "p" }],
    ["tls must be true or false", { nodes, username: "u", password: "p", tls: "yes" }],
  ],
  createSession: [
    ["client must be a client of connect or createAuth, not undefined"],
    ["client must be a client of connect or createAuth", {}, login],
    ["client must be a client of connect or createAuth", { session: { login() {} } }, login],
    ["options must be an object, not undefined", "CLIENT"],
    ["apiKey or password or kerberosTicket or idToken is missing", "CLIENT", {}],
    ["apiKey or password or kerberosTicket or idToken is missing", "CLIENT", { username: "alice" }],
    ["apiKey must be a string or a function", "CLIENT", { apiKey: ["hidden-secret"] }],
    [
      "vhost is unknown: the options are apiKey, groups",
      "CLIENT",
      { apiKey: "hidden-secret", vhost: "stage" },
    ],
    ["pass only one of", "CLIENT", { ...login, apiKey: "hidden-secret" }],
    ["client must be a string", "CLIENT", { ...login, client: 7 }],
    ["username is missing", "CLIENT", { password: "hidden-secret" }],
    ["username must be a string that is not empty", "CLIENT", { ...login, username: 7 }],
    ["password must be a string or a function", "CLIENT", { ...login, password: 7 }],
    ["kerberosTicket must be a function", "CLIENT", { kerberosTicket: "hidden-secret" }],
    ["idToken must be a string", "CLIENT", { idToken: { id_token: "hidden-secret" } }],
    ["pass only one of", "CLIENT", { ...login, idToken: "hidden-secret" }],
    ["groups must be a list", "CLIENT", { ...login, groups: "dev" }],
    ["groups[1] must be a string", "CLIENT", { ...login, groups: ["dev", null] }],
    ["user is unknown", "CLIENT", { ...login, user: "alice" }],
    ["ip must be a string", "CLIENT", { ...login, ip: null }],
    ["secondFactor must be a function", "CLIENT", { ...login, secondFactor: "123456" }],
    [
      "secondFactor is unknown: the options are idToken",
      "CLIENT",
      { idToken: "hidden-secret", secondFactor: () => undefined },
    ],
    [
      "client must be a client of connect or createAuth",
      { session: { login() {}, getAccessToken() {}, logout() {} } },
      { ...login, secondFactor: () => undefined },
    ],
  ],
  createVerifier: [
    ["options must be an object, not undefined"],
    ["keys or jwks or secret is missing", { issuer: "authmq" }],
    ["keys or jwks or secret is missing", { issuer: "authmq", keys: undefined }],
    ["issuer is missing", { keys }],
    ["issuer must be a string", { keys, issuer: ["authmq"] }],
    ["pass only one of keys or jwks or secret", { issuer: "authmq", keys, secret: "hidden-secret" }],
    ["keys must be PEM, a KeyObject or a JWK", { issuer: "authmq", keys: 1 }],
    ["keys[0] must be PEM, a KeyObject or a JWK, not undefined", { issuer: "authmq", keys: [undefined] }],
    ["jwks must be a JWK Set", { issuer: "authmq", jwks: {} }],
    ["jwks must be a JWK Set", { issuer: "authmq", jwks: "/jwks.json" }],
    ["secret must be a string or bytes", { issuer: "authmq", secret: 1, algorithms: ["HS256"] }],
    ["algorithms is missing", { issuer: "authmq", secret: "hidden-secret".repeat(4) }],
    ["algorithms must be a list", { issuer: "authmq", keys, algorithms: "EdDSA" }],
    ["audience must be a string", { issuer: "authmq", keys, audience: ["a"] }],
    ["clockTolerance must be a number of seconds", { issuer: "authmq", keys, clockTolerance: "30" }],
    ["clockTolerance must be a number of seconds", { issuer: "authmq", keys, clockTolerance: Number.NaN }],
    ["clockTolarance is unknown", { issuer: "authmq", keys, clockTolarance: 1 }],
  ],
};

function assertClear(error: unknown, caller: string, message: string): true {
  assert.ok(error instanceof TypeError, `${caller} ${message}: ${String(error)}`);
  assert.ok(error.message.startsWith(`${caller}: ${message}`), error.message);
  assert.ok(!error.message.includes("hidden-secret"), `${caller}: the message contains the secret`);
  return true;
}

test("errors for invalid arguments name the function and the option, and contain no secret", async () => {
  await using responder = await startResponder(["jwks"], () => done({ keys: [] }));
  await using auth = await client.connect({ url: responder.url });
  for (const [message, ...args] of WRONG["connect"]!)
    await assert.rejects(
      async () => connect(...args),
      (error) => assertClear(error, "connect", message),
    );
  const argument = (value: unknown): unknown => (value === "CLIENT" ? auth : value);
  for (const [message, ...args] of WRONG["createSession"]!)
    assert.throws(
      () => createSession(...args.map(argument)),
      (error) => assertClear(error, "createSession", message),
    );
  for (const [message, ...args] of WRONG["createVerifier"]!)
    assert.throws(
      () => createVerifier(...args),
      (error) => assertClear(error, "createVerifier", message),
    );
});

test("workflows reject an invalid request and unknown options", async () => {
  await using responder = await startResponder(["jwks"], () => done({ keys: [] }));
  await using auth = await client.connect({ url: responder.url });
  const session = auth.session as unknown as { readonly getJwks: Call };
  const getJwks: Call = (...args) => session.getJwks(...args);
  const call = auth.call.bind(auth) as unknown as Call;
  for (const [message, ...args] of [
    ["request must be an object, not undefined"],
    ["request must be an object, not null", null],
    ["request must be an object, not a list", []],
    ["request must be an object, not this string", "{}"],
    ["options must be an object, not null", {}, null],
    ["options must be an object, not this number", {}, 5000],
    ["timeout must be a number", {}, { timeout: "5" }],
    ["signal must be an AbortSignal", {}, { signal: new AbortController() }],
    ["idempotencyKey must be a string of 1 to 255 bytes", {}, { idempotencyKey: 7 }],
    ["idempotencyKey must be a string of 1 to 255 bytes", {}, { idempotencyKey: "é".repeat(128) }],
    ["idempotencyKey must be a string of 1 to 255 bytes, not an empty string", {}, { idempotencyKey: "" }],
    ["retries is unknown: the options are signal, timeout, idempotencyKey", {}, { retries: 3 }],
  ] as const) {
    await assert.rejects(
      async () => getJwks(...args),
      (error) => assertClear(error, "session.getJwks", message),
    );
    await assert.rejects(
      async () => call("jwks", ...args),
      (error) => assertClear(error, "session.getJwks", message),
    );
  }
  for (const queue of [undefined, "", 7, {}])
    await assert.rejects(
      async () => call(queue, {}),
      (error) => assertClear(error, "call", "queue must be"),
    );
  assert.equal(responder.received.length, 0, "nothing was sent");
  assert.deepEqual(await auth.session.getJwks({}, { signal: undefined, timeout: undefined }), { keys: [] });
});

test("a session rejects an invalid minimumValidity and functions that return no string", async () => {
  await using responder = await startResponder(["login", "token"], () => done({}));
  await using auth = await client.connect({ url: responder.url });
  for (const [name, options] of Object.entries({
    password: { username: "alice", password: () => undefined },
    kerberosTicket: { kerberosTicket: () => 7 },
    apiKey: { apiKey: () => ["hidden-secret"] },
  })) {
    const session = createSession(auth, options) as client.Session;
    const message = `the result of ${name}() must be a string`;
    await assert.rejects(session.accessToken(), (error) => assertClear(error, "createSession", message));
  }
  const session = createSession(auth, login) as client.Session;
  const accessToken: Call = (given) => session.accessToken(given as object);
  for (const [message, options] of [
    ["minimumValidity must be a number", { minimumValidity: "10" }],
    ["minimumValidty is unknown", { minimumValidty: 10 }],
    ["options must be an object", null],
    ["options must be an object", 10],
  ] as const)
    await assert.rejects(
      async () => accessToken(options),
      (error) => assertClear(error, "accessToken", message),
    );
  assert.equal(responder.received.length, 0);
});

test("undefined options count as missing", () => {
  createVerifier({ issuer: "authmq", keys, secret: undefined, jwks: undefined, audience: undefined });
  const workflows = { session: { login() {}, getAccessToken() {}, logout() {} } };
  const others = { idToken: undefined, kerberosTicket: undefined, apiKey: undefined };
  createSession(workflows, { ...login, ...others, groups: undefined });
});
