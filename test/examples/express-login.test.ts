import assert from "node:assert/strict";
import { test } from "node:test";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";
import { openWebClient, startWebExample } from "./web-client.ts";

const COOKIE = "__Host-session";
const alice = { username: "alice", password: "staple battery horse" };

test("the Express login keeps the tokens in the backend, and the browser has a session id", async () => {
  await using worker = await startWorker();
  await worker.addUser(alice.username, alice.password, { groups: ["reporters"] });
  await using backend = await startWebExample(worker, "express/login.ts");
  const browser = openWebClient(backend.origin);
  assert.equal((await browser.get("/me")).status, 401);
  const wrong = await browser.post("/login", { ...alice, password: "wrong" });
  assert.deepEqual([wrong.status, wrong.body["error"]], [401, "INVALID_CREDENTIALS"]);
  for (const [headers, status] of [
    [{ origin: "https://evil.example" }, 403],
    [{ origin: undefined }, 403],
    [{ "sec-fetch-site": "cross-site" }, 403],
    [{ "content-type": "text/plain" }, 400],
  ] as const)
    assert.equal((await browser.post("/login", alice, headers)).status, status, JSON.stringify(headers));
  const broken = await browser.post("/login", '{"username": "alice", "password": staple battery horse}');
  assert.deepEqual([broken.status, broken.body], [400, { error: "INVALID_REQUEST" }]);

  const login = await browser.post("/login", alice);
  assert.equal(login.status, 204);
  assert.match(browser.cookies.get(COOKIE) ?? "none", /^[\w-]{43}$/);
  for (const attribute of ["HttpOnly", "Secure", "SameSite=Strict", "Path=/", "Max-Age=86400"])
    assert.ok(login.setCookies[0]!.split("; ").includes(attribute), login.setCookies[0]);
  const me = await browser.get("/me");
  assert.deepEqual([me.status, me.body["groups"]], [200, ["reporters"]]);

  const other = openWebClient(backend.origin);
  other.cookies.set(COOKIE, browser.cookies.get(COOKIE)!);
  assert.equal((await browser.post("/logout", {})).status, 204);
  assert.deepEqual([...browser.cookies.keys()], []);
  assert.equal((await other.get("/me")).status, 401);

  const limited = await waitUntil("429", async () => {
    const answer = await browser.post("/login", { ...alice, password: "wrong" });
    return answer.status === 429 ? answer : undefined;
  });
  assert.match(limited.headers.get("retry-after") ?? "none", /^[1-9]\d*$/);
  assert.ok(
    !backend.example.output.includes("staple"),
    `the log contains a password: ${backend.example.output}`,
  );
});
