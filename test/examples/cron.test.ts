import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { newFolder } from "../support/cli.ts";
import { startProxy } from "../support/proxy.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";
import { refused, startResponder, through } from "../client/responder.ts";

const FILE = resolve(import.meta.dirname, "../../examples/cron/list-groups.ts");
const password = "nine lanterns at dusk";

async function runJob(AMQP_URL: string, more: Readonly<Record<string, string>> = {}) {
  const PASSWORD_FILE = join(newFolder(), "password.txt");
  writeFileSync(PASSWORD_FILE, `${more["password"] ?? password}\n`, { mode: 0o600 });
  const env = { ...process.env, AMQP_URL, PASSWORD_FILE, ...more };
  const child = spawn(process.execPath, ["--conditions=authmq-source", FILE], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { code: child.exitCode, stdout, stderr };
}

describe("the example of a cron job", () => {
  let worker: TestWorker;
  before(async () => {
    worker = await startWorker();
    await worker.addUser("nightly", password, { groups: ["dev", "ops"] });
  });
  after(() => worker[Symbol.asyncDispose]());

  test("prints one line, logs out, and exits with 0", async () => {
    assert.deepEqual(await runJob(worker.url), { code: 0, stdout: "2 groups: dev, ops\n", stderr: "" });
    const access_token = await worker.accessToken("root", ["admin"]);
    const { resp_data } = await worker.call("user_get", { username: "nightly", access_token });
    assert.equal(resp_data["token_info"], null);
  });

  test("exits with 1 and one line if it is refused", async () => {
    const wrong = { SERVICE_USER: "someone", password: "a wrong password" };
    const line = "list-groups: INVALID_CREDENTIALS: could not log in: wrong username or password\n";
    assert.deepEqual(await runJob(worker.url, wrong), { code: 1, stdout: "", stderr: line });
  });

  test("exits with 1 and one line if its password file is missing", async () => {
    const { code, stderr } = await runJob(worker.url, { PASSWORD_FILE: "missing.txt" });
    assert.equal(code, 1);
    assert.match(stderr, /^list-groups: ENOENT.+missing\.txt'\n$/);
  });
});

test("the example of a cron job exits with 75 and one line if the broker or the workers do not answer, or reply 503 or 429", async () => {
  await using responder = await startResponder(["login"], (_request, index) => {
    if (index === 0) return undefined;
    return index === 1 ? refused(429, "TOO_MANY_ATTEMPTS") : refused(503, "UNAVAILABLE");
  });
  await using proxy = await startProxy(Number(new URL(responder.url).port));
  const url = through(proxy.port, responder.url);
  const outcomes = [await runJob(url, { DEADLINE_SECONDS: "5" }), await runJob(url), await runJob(url)];
  proxy.cut();
  outcomes.push(await runJob(url));
  proxy.hang();
  outcomes.push(await runJob(url, { DEADLINE_SECONDS: "1" }));
  const expected = [
    /^list-groups: not finished after 5 s\n$/,
    /^list-groups: TOO_MANY_ATTEMPTS: .+\n$/,
    /^list-groups: UNAVAILABLE: .+\n$/,
    /^list-groups: no connection to the broker within 10000 ms\n$/,
    /^list-groups: not finished after 1 s\n$/,
  ];
  for (const [index, { code, stdout, stderr }] of outcomes.entries()) {
    assert.deepEqual([code, stdout], [75, ""], stderr);
    assert.match(stderr, expected[index] ?? /$^/);
  }
});
