import assert from "node:assert/strict";
import { test } from "node:test";
import { connectRaw } from "../support/raw-caller.ts";
import { codeOf, nextCodeOf, PASSWORD, secondFactors, wrongCodeOf } from "../support/second-factor.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";
import { openWebClient, startWebExample, type WebClient } from "./web-client.ts";

const ID_TOKEN = "__Host-id_token";
const ACCESS_TOKEN = "__Host-access_token";
const CHALLENGE = "__Host-challenge";
const SETUP_TOKEN = "__Host-setup_token";
const alice = { username: "alice", password: PASSWORD };

const GATEWAY = "browser-gateway/server.ts";

async function startWithAlice(app: Readonly<Record<string, unknown>> = {}): Promise<TestWorker> {
  const worker = await startWorker({ config: secondFactors(app) });
  await worker.addUser(alice.username, alice.password);
  return worker;
}

/** Enrols a TOTP; returns its secret and the recovery codes. */
async function enrolTotp(browser: WebClient): Promise<{ secret: string; codes: string[] }> {
  const begun = await browser.post("/factors/totp", {});
  assert.equal(begun.status, 200, JSON.stringify(begun.body));
  const secret = String(begun.body["secret"]);
  const confirmed = await browser.post("/factors/totp/confirm", { totp: codeOf(secret), name: "phone" });
  assert.equal(confirmed.status, 200, JSON.stringify(confirmed.body));
  assert.deepEqual(Object.keys(confirmed.body).toSorted(), ["id", "recovery_codes"]);
  return { secret, codes: confirmed.body["recovery_codes"] as string[] };
}

/** The attributes of the cookies that a response sets, without their values, each in alphabetical order. */
function attributesOf(setCookies: readonly string[]): string[][] {
  return setCookies.map((line) =>
    line
      .replace(/=[^;]+/, "")
      .split("; ")
      .toSorted(),
  );
}

const strict = ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"];

test("the browser gateway keeps a challenge in a cookie, and logs no secret", async () => {
  await using worker = await startWithAlice();
  await using gateway = await startWebExample(worker, GATEWAY);
  const browser = openWebClient(gateway.origin);
  assert.equal((await browser.post("/login", alice)).status, 204);
  const { secret, codes } = await enrolTotp(browser);
  const before = browser.cookies.get(ID_TOKEN) ?? "";

  const login = await browser.post("/login", alice);
  assert.deepEqual(
    [login.status, login.body],
    [
      401,
      {
        error: "SECOND_FACTOR_REQUIRED",
        msg: login.body["msg"],
        methods: ["totp", "recovery_code"],
      },
    ],
  );
  assert.deepEqual(attributesOf(login.setCookies), [[...strict, "Max-Age=300", CHALLENGE].toSorted()]);
  const challenge = browser.cookies.get(CHALLENGE) ?? "";

  const wrong = await browser.post("/login/continue", { totp: wrongCodeOf(secret) });
  assert.deepEqual([wrong.status, wrong.body["error"]], [401, "INVALID_CREDENTIALS"]);
  const right = await browser.post("/login/continue", { totp: nextCodeOf(secret) });
  assert.deepEqual([right.status, right.body], [204, { text: "" }]);
  assert.deepEqual([...browser.cookies.keys()].toSorted(), [ACCESS_TOKEN, ID_TOKEN]);
  const again = await browser.post("/login/continue", { totp: nextCodeOf(secret) });
  assert.deepEqual([again.status, again.body["error"]], [401, "LOGIN_EXPIRED"]);

  const earlier = openWebClient(gateway.origin);
  earlier.cookies.set(ID_TOKEN, before);
  assert.equal((await earlier.post("/refresh", {})).status, 401, "the replaced session still exists");

  const listed = await browser.get("/factors");
  assert.equal(listed.headers.get("cache-control"), "no-store");
  const factors = listed.body["factors"] as { id: string; type: string; name: string }[];
  assert.deepEqual(
    factors.map(({ type, name }) => [type, name]),
    [
      ["totp", "phone"],
      ["recovery_codes", "recovery codes"],
    ],
  );
  assert.equal((await browser.post("/factors/remove", { id: factors[0]?.id })).status, 200);
  for (const text of [secret, challenge, ...codes])
    assert.ok(!gateway.example.output.includes(text), `the log contains a secret: ${gateway.example.output}`);
});

test("the browser gateway accepts an answer to a challenge only from the address of the login", async () => {
  await using worker = await startWithAlice();
  await using gateway = await startWebExample(worker, GATEWAY, { TRUST_PROXY: "loopback" });
  const browser = openWebClient(gateway.origin);
  const here = { "x-forwarded-for": "203.0.113.7" };
  await browser.post("/login", alice, here);
  const { secret } = await enrolTotp(browser);
  await browser.post("/login", alice, here);
  for (const [address, status] of [
    ["198.51.100.9", 401],
    ["203.0.113.7", 204],
  ] as const) {
    const answer = { totp: nextCodeOf(secret) };
    const reply = await browser.post("/login/continue", answer, { "x-forwarded-for": address });
    assert.equal(reply.status, status, address);
  }
});

test("a login that must enrol a factor replaces the session of the browser, and enrols for its own account", async () => {
  await using worker = await startWithAlice({ second_factor_groups: ["finance"] });
  await worker.addUser("robert", PASSWORD, { groups: ["finance"] });
  await using gateway = await startWebExample(worker, GATEWAY);
  const browser = openWebClient(gateway.origin);
  await browser.post("/login", alice);
  const earlier = openWebClient(gateway.origin);
  earlier.cookies.set(ID_TOKEN, browser.cookies.get(ID_TOKEN) ?? "");

  const login = await browser.post("/login", { ...alice, username: "robert" });
  assert.deepEqual([login.status, login.body["error"]], [401, "SECOND_FACTOR_SETUP_REQUIRED"]);
  assert.deepEqual(Object.keys(login.body).toSorted(), ["error", "msg"]);
  assert.deepEqual(attributesOf(login.setCookies).at(-1), [...strict, "Max-Age=900", SETUP_TOKEN].toSorted());
  assert.deepEqual([...browser.cookies.keys()], [SETUP_TOKEN]);
  assert.equal((await earlier.post("/refresh", {})).status, 401, "the replaced session still exists");
  assert.equal((await browser.get("/factors")).status, 401, "a setup token reads the list of factors");
  await enrolTotp(browser);
  assert.deepEqual([...browser.cookies.keys()], [ID_TOKEN]);
  assert.equal((await browser.post("/refresh", {})).status, 204);
  assert.deepEqual((await browser.get("/api/me")).body, { user: "robert", groups: ["finance"] });
  assert.equal(((await browser.get("/factors")).body["factors"] as unknown[]).length, 2);
});

test("the browser gateway answers hostile requests about second factors with 4xx", async () => {
  await using worker = await startWithAlice();
  await using gateway = await startWebExample(worker, GATEWAY);
  const browser = openWebClient(gateway.origin);
  for (const path of ["/factors/totp", "/factors/passkey", "/factors/remove", "/factors/recovery-codes"])
    assert.equal((await browser.post(path, {})).status, 401, path);
  const begun = await browser.post("/login/passkey", {});
  assert.equal(begun.status, 200);
  assert.deepEqual(Object.keys(begun.body), ["passkey_options"]);
  const challenge = browser.cookies.get(CHALLENGE) ?? "";
  for (const [body, status] of [
    ["null", 400],
    ["[]", 400],
    [{}, 400],
    [{ totp: 123_456 }, 400],
    [{ totp: "123456", recovery_code: "x" }, 400],
    [{ totp: "123456" }, 401],
    [{ passkey: "x" }, 400],
    [{ passkey: { id: "AA", rawId: "AA", type: "public-key", response: {} } }, 400],
    [{ passkey: "x".repeat(20_000) }, 413],
  ] as const) {
    const answer = await browser.post("/login/continue", body);
    assert.equal(
      answer.status,
      status,
      `${JSON.stringify(body).slice(0, 80)}: ${JSON.stringify(answer.body)}`,
    );
  }
  const invented = openWebClient(gateway.origin);
  for (const [cookie, status] of [
    [`${CHALLENGE}=x`, 401],
    [`${CHALLENGE}=${"x".repeat(5000)}`, 400],
    [`${SETUP_TOKEN}=a.b.c`, 401],
    [`${SETUP_TOKEN}=${challenge}; ${ACCESS_TOKEN}=a.b.c`, 401],
  ] as const) {
    const path = cookie.startsWith(CHALLENGE) ? "/login/continue" : "/factors/totp";
    const answer = await invented.post(path, { totp: "123456" }, { cookie });
    assert.equal(answer.status, status, cookie.slice(0, 80));
  }
  assert.equal((await browser.post("/login", alice)).status, 204);
});

test("a login whose second factor is used up succeeds without an access token, which /refresh gets later", async () => {
  await using worker = await startWithAlice();
  await using gateway = await startWebExample(worker, GATEWAY, { TIMEOUT: "3000" });
  const browser = openWebClient(gateway.origin);
  await browser.post("/login", alice);
  const { codes } = await enrolTotp(browser);
  await using other = await connectRaw(worker.url);
  await browser.post("/login", alice);
  // Takes the requests instead of the worker, and never replies.
  const thief = await other.channel.consume("token", () => undefined, { priority: 10 });
  const login = await browser.post("/login/continue", { recovery_code: codes[0] });
  assert.equal(login.status, 204, JSON.stringify(login.body));
  assert.deepEqual([...browser.cookies.keys()], [ID_TOKEN]);
  await other.channel.cancel(thief.consumerTag);
  await other.channel.recover();
  assert.equal((await browser.post("/refresh", {})).status, 204);
  assert.equal((await browser.get("/api/me")).body["user"], "alice");
});
