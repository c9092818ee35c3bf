import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { newFolder } from "../support/cli.ts";
import { dataOf } from "../support/replies.ts";
import { startProxy } from "../support/proxy.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";
import { refused, startResponder, through } from "../client/responder.ts";

/** A key for a broker without authmq. */
const KEY = "authmq_of-nobody";
const FILE = resolve(import.meta.dirname, "../../examples/cron/list-groups.ts");

async function runJob(AMQP_URL: string, apiKey: string, more: Readonly<Record<string, string>> = {}) {
  const API_KEY_FILE = join(newFolder(), "nightly.key");
  writeFileSync(API_KEY_FILE, `${apiKey}\n`, { mode: 0o600 });
  const env = { ...process.env, AMQP_URL, API_KEY_FILE, ...more };
  const child = spawn(process.execPath, ["--conditions=authmq-source", FILE], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { code: child.exitCode, stdout, stderr };
}

describe("the example of a cron job", () => {
  let worker: TestWorker;
  let apiKey: string;
  before(async () => {
    worker = await startWorker();
    await worker.addUser("nightly", "", { authType: "SERVICE", groups: ["dev", "ops"] });
    const access_token = await worker.accessToken("root", ["admin"]);
    const request = { username: "nightly", name: "cron", access_token };
    apiKey = String(dataOf(await worker.call("api_key_create", request))["api_key"]);
  });
  after(() => worker[Symbol.asyncDispose]());

  test("prints one line and exits with 0", async () => {
    assert.deepEqual(await runJob(worker.url, apiKey), {
      code: 0,
      stdout: "2 groups: dev, ops\n",
      stderr: "",
    });
  });

  test("exits with 1 and one line if it is refused", async () => {
    const { code, stdout, stderr } = await runJob(worker.url, `${apiKey}x`);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^list-groups: INVALID_TOKEN: .+\n$/);
  });

  test("exits with 1 and one line if its key file is missing", async () => {
    const { code, stderr } = await runJob(worker.url, apiKey, { API_KEY_FILE: "missing.key" });
    assert.equal(code, 1);
    assert.match(stderr, /^list-groups: ENOENT.+missing\.key'\n$/);
  });
});

test("the example of a cron job exits with 75 and one line if the broker or the workers do not answer, or reply 503 or 429", async () => {
  await using responder = await startResponder(["token"], (_request, index) => {
    if (index === 0) return undefined;
    return index === 1 ? refused(429, "TOO_MANY_ATTEMPTS") : refused(503, "UNAVAILABLE");
  });
  await using proxy = await startProxy(Number(new URL(responder.url).port));
  const url = through(proxy.port, responder.url);
  const outcomes = [
    await runJob(url, KEY, { DEADLINE_SECONDS: "5" }),
    await runJob(url, KEY),
    await runJob(url, KEY),
  ];
  proxy.cut();
  outcomes.push(await runJob(url, KEY));
  proxy.hang();
  outcomes.push(await runJob(url, KEY, { DEADLINE_SECONDS: "1" }));
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
