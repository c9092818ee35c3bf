import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeJwt } from "jose";
import { startProxy } from "../support/proxy.ts";
import { amqpUrl } from "../support/rabbitmq.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";
import { openWebClient, startWebExample, type WebExample } from "./web-client.ts";

const ID_TOKEN = "__Host-id_token";
const ACCESS_TOKEN = "__Host-access_token";
const alice = { username: "alice", password: "staple battery horse" };

async function startWithAlice(): Promise<TestWorker> {
  const worker = await startWorker();
  await worker.addUser(alice.username, alice.password, { groups: ["reporters"] });
  return worker;
}

const startGateway = (worker: TestWorker, env: Readonly<Record<string, string>> = {}): Promise<WebExample> =>
  startWebExample(worker, "browser-gateway/server.ts", env);

test("the browser gateway logs a person in, renews the access token, and ends the session", async () => {
  await using worker = await startWithAlice();
  await using gateway = await startGateway(worker);
  const browser = openWebClient(gateway.origin);
  assert.equal((await browser.get("/api/me")).status, 401);
  assert.equal((await browser.post("/refresh", {})).status, 401);

  const login = await browser.post("/login", alice);
  assert.deepEqual([login.status, login.body], [204, { text: "" }]);
  const attributes = login.setCookies.map((line) =>
    line
      .replace(/=[^;]+/, "")
      .split("; ")
      .toSorted(),
  );
  assert.deepEqual(attributes, [
    ["HttpOnly", "Max-Age=86400", "Path=/", "SameSite=Strict", "Secure", ID_TOKEN].toSorted(),
    ["HttpOnly", "Max-Age=300", "Path=/", "SameSite=Strict", "Secure", ACCESS_TOKEN].toSorted(),
  ]);
  const me = await browser.get("/api/me");
  assert.deepEqual([me.status, me.body], [200, { user: "alice", groups: ["reporters"] }]);
  assert.equal(me.headers.get("cache-control"), "no-store");

  browser.cookies.delete(ACCESS_TOKEN); // as when it has expired
  assert.equal((await browser.get("/api/me")).status, 401);
  assert.equal((await browser.post("/refresh", {})).status, 204);
  assert.equal((await browser.get("/api/me")).status, 200);

  const stolen = openWebClient(gateway.origin);
  stolen.cookies.set(ID_TOKEN, browser.cookies.get(ID_TOKEN)!);
  assert.equal((await browser.post("/logout", {})).status, 204);
  assert.deepEqual([...browser.cookies.keys()], [], "the browser keeps cookies after a logout");
  assert.equal((await browser.post("/logout", {})).status, 204, "a second logout");
  const refused = await stolen.post("/refresh", {});
  assert.deepEqual([refused.status, refused.body["error"]], [401, "INVALID_TOKEN"]);
  assert.equal(stolen.cookies.size, 0, "the cookie of an ended session is not deleted");
  for (const secret of [alice.password, ...login.setCookies.map((line) => /=([^;]+)/.exec(line)![1]!)])
    assert.ok(
      !gateway.example.output.includes(secret),
      `the log contains a secret: ${gateway.example.output}`,
    );
});

test("the browser gateway explains a wrong password, and 429 has Retry-After", async () => {
  await using worker = await startWithAlice();
  await using gateway = await startGateway(worker);
  const browser = openWebClient(gateway.origin);
  const wrong = await browser.post("/login", { ...alice, password: "wrong" });
  assert.deepEqual([wrong.status, wrong.body["error"]], [401, "INVALID_CREDENTIALS"]);
  assert.deepEqual(wrong.setCookies, []);
  // Each failure doubles the wait, so a slow machine gets there, too.
  const limited = await waitUntil("429", async () => {
    const answer = await browser.post("/login", { ...alice, password: "wrong" });
    return answer.status === 429 ? answer : undefined;
  });
  assert.equal(limited.body["error"], "TOO_MANY_ATTEMPTS");
  assert.match(limited.headers.get("retry-after") ?? "none", /^[1-9]\d*$/);
});

test("the browser gateway rejects writes that another origin can cause", async () => {
  await using worker = await startWithAlice();
  await using gateway = await startGateway(worker);
  const browser = openWebClient(gateway.origin);
  await browser.post("/login", alice);
  for (const [headers, status] of [
    [{ origin: "https://evil.example" }, 403],
    [{ origin: `${gateway.origin}.evil.example` }, 403],
    [{ origin: gateway.origin.replace("http:", "https:") }, 403],
    [{ origin: "null" }, 403],
    [{ origin: undefined }, 403],
    [{ "sec-fetch-site": "cross-site" }, 403],
    [{ "sec-fetch-site": "same-site" }, 403],
    [{ "sec-fetch-site": "none" }, 403],
    [{ "content-type": "text/plain" }, 415],
    [{ "content-type": "application/x-www-form-urlencoded" }, 415],
    [{ "content-type": "application/jsonp" }, 415],
    [{ "content-type": "text/plain; application/json" }, 415],
  ] as const)
    for (const path of [
      ...["/login", "/login/passkey", "/login/continue", "/refresh", "/logout"],
      ...["/factors/totp", "/factors/totp/confirm", "/factors/passkey", "/factors/passkey/confirm"],
      ...["/factors/remove", "/factors/recovery-codes"],
    ]) {
      const answer = await browser.post(path, alice, headers);
      assert.equal(answer.status, status, `${path} ${JSON.stringify(headers)}`);
      assert.deepEqual(answer.setCookies, [], `${path} ${JSON.stringify(headers)}`);
    }
  assert.equal((await browser.post("/refresh", {})).status, 204, "a rejected logout has ended the session");
  // An old browser does not send Sec-Fetch-Site.
  assert.equal((await browser.post("/refresh", {}, { "sec-fetch-site": undefined })).status, 204);
});

test("the browser gateway passes the address behind trusted proxies only, and lets people change networks", async () => {
  await using worker = await startWithAlice();
  const addressOf = async (env: Readonly<Record<string, string>>, forwarded: string): Promise<unknown> => {
    await using gateway = await startGateway(worker, env);
    const browser = openWebClient(gateway.origin);
    await browser.post("/login", alice, { "x-forwarded-for": forwarded });
    const elsewhere = { "x-forwarded-for": "198.51.100.9" };
    assert.equal((await browser.post("/refresh", {}, elsewhere)).status, 204);
    const idToken = browser.cookies.get(ID_TOKEN)!;
    assert.equal((await browser.post("/logout", {}, elsewhere)).status, 204);
    const { ip } = decodeJwt(idToken);
    const reply = await worker.call("introspect", { token: idToken, ip });
    assert.deepEqual(reply.resp_data, { active: false }, "the session still exists");
    return ip;
  };
  const invented = "192.0.2.1, 203.0.113.7"; // the proxy appends the address that it sees
  assert.equal(await addressOf({ TRUST_PROXY: "loopback" }, invented), "203.0.113.7");
  assert.equal(await addressOf({}, invented), "127.0.0.1");
});

test("the browser gateway answers hostile requests with 4xx, and keeps working", async () => {
  await using worker = await startWithAlice();
  await worker.addUser("manager", alice.password, {
    groups: Array.from({ length: 100 }, (_, index) => `a-long-name-of-a-group-with-number-${index}`),
  });
  await using gateway = await startGateway(worker);
  const browser = openWebClient(gateway.origin);
  for (const [body, status] of [
    ['{"username": "alice", "password": "staple battery" horse}', 400],
    ["", 400],
    ["null", 400],
    ["[]", 400],
    ["7", 400],
    [{}, 400],
    [{ username: "alice" }, 400],
    [{ ...alice, password: 12_345_678 }, 400],
    [{ ...alice, username: ["alice"] }, 400],
    [{ ...alice, username: { $ne: null } }, 400],
    ['{"__proto__": {"username": "alice"}}', 400],
    [{ ...alice, password: "x".repeat(20_000) }, 413],
    [{ ...alice, username: "manager" }, 409],
  ] as const) {
    const answer = await browser.post("/login", body);
    const seen = `${JSON.stringify(body).slice(0, 80)}: ${JSON.stringify(answer.body)}`;
    assert.equal(answer.status, status, seen);
    assert.equal(typeof answer.body["error"], "string", seen);
    assert.deepEqual(answer.setCookies, [], seen);
  }
  for (const [cookie, status] of [
    [`${ACCESS_TOKEN}=${"a".repeat(65_536)}`, 431],
    [`${ACCESS_TOKEN}=%E0%A4%A`, 401],
    [`${ACCESS_TOKEN}=a.b.c; ${ACCESS_TOKEN}=${"e30.".repeat(500)}`, 401],
    [`__proto__=a; ${ACCESS_TOKEN}=`, 401],
  ] as const)
    assert.equal((await browser.get("/api/me", { cookie })).status, status, cookie.slice(0, 80));
  for (const token of ["x", "..", "a.bnVsbA.c", `a.${Buffer.from('{"ip":"x"}').toString("base64url")}.c`]) {
    const refused = await browser.post("/refresh", {}, { cookie: `${ID_TOKEN}=${token}` });
    assert.ok(refused.status === 401 || refused.status === 400, `${token}: ${refused.status}`);
    assert.equal((await browser.post("/logout", {}, { cookie: `${ID_TOKEN}=${token}` })).status, 204, token);
  }
  assert.equal((await browser.get("/page/../server.ts")).status, 404);
  assert.equal((await browser.post("/login", alice)).status, 204);
  assert.ok(
    !gateway.example.output.includes("staple"),
    `the log contains a password: ${gateway.example.output}`,
  );
});

test("the browser gateway answers 504 when no worker replies, and 503 when the broker is away", async () => {
  await using worker = await startWithAlice();
  await using proxy = await startProxy(Number(new URL(amqpUrl).port));
  const url = new URL(worker.url);
  url.port = String(proxy.port);
  await using gateway = await startGateway(worker, { AMQP_URL: url.href, TIMEOUT: "3000" });
  const browser = openWebClient(gateway.origin);
  assert.equal((await browser.post("/login", alice)).status, 204);
  await worker.worker.stop();
  const idToken = browser.cookies.get(ID_TOKEN)!;
  for (const status of [504, 503]) {
    if (status === 503) {
      proxy.cut();
      await waitUntil("the connection to close", () => proxy.connections === 0 || undefined);
    }
    for (const path of ["/login", "/refresh", "/logout"]) {
      browser.cookies.set(ID_TOKEN, idToken);
      const { body, ...answer } = await browser.post(path, alice);
      assert.deepEqual([answer.status, body], [status, { error: "NO_REPLY", msg: "try again later" }], path);
      // Only a logout deletes cookies: an earlier login is still valid after the outage.
      assert.equal(browser.cookies.has(ID_TOKEN), path !== "/logout", path);
    }
  }
  assert.match(gateway.example.output, /no reply within 3000 ms/);
  assert.match(gateway.example.output, /no connection to the broker within 3000 ms/);
  assert.ok(!gateway.example.output.includes(idToken), "the log contains a token");
  assert.ok(!gateway.example.output.includes(url.password), "the log contains the broker's password");
});
