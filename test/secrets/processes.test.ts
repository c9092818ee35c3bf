import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { folderWith, runCli, startCli } from "../support/cli.ts";
import { bodyOf, connectRaw, type RawCaller } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { provision } from "../support/worker.ts";
import { formsOf } from "./forms.ts";
import { Searcher } from "./searcher.ts";

const PASSWORD = "never to be told";
const HOOK = new URL("./crash-hook.ts", import.meta.url).href;

let cwd: string;
let caller: RawCaller;
let key: string;
let broker: string;
let cleanUp: () => Promise<void>;

before(async () => {
  const provisioned = await provision({ config: { log_settings: { level: "trace" } } });
  ({ cleanUp } = provisioned);
  const { raw, vhost } = provisioned;
  key = (raw["jwt_creation"]!["secret"] as { value: string }).value;
  broker = String(raw["amqp_settings"]!["password"]);
  cwd = folderWith(raw);
  assert.equal((await runCli(["migrate"], { cwd })).code, 0);
  const admin = ["admin", "create", "root", "--email", "root@example.com"];
  assert.equal((await runCli(admin, { cwd, stdin: `${PASSWORD}\n` })).code, 0);
  caller = await connectRaw(vhost.url);
});
after(async () => {
  await caller[Symbol.asyncDispose]();
  await cleanUp();
});

/** Asserts that a text contains no secret of this installation in any form. */
function assertNoSecret(written: string, ...more: readonly string[]): void {
  const searcher = new Searcher<string>();
  for (const form of formsOf("key", key)) searcher.add(form, "key");
  for (const secret of [PASSWORD, broker, ...more])
    for (const form of formsOf("password", secret)) searcher.add(form, "password");
  assert.deepEqual(searcher.find(Buffer.from(written)), []);
}

describe("the output of a crashing worker", () => {
  for (const [crash, expected] of [
    ["exception", /"msg":"uncaught error"/],
    ["rejection", /"msg":"uncaught error"/],
    ["abort", /Native stack trace/],
  ] as const) {
    test(`(${crash}) contains no secret of the installation or the request`, async () => {
      const worker = startCli(["serve"], {
        cwd,
        env: { CRASH_PASSWORD: PASSWORD },
        node: ["--import", HOOK],
      });
      let output = "";
      worker.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
      await waitUntil("ready", () => output.includes('"msg":"ready"'));
      const request = { username: "root", password: PASSWORD };
      caller.publish("login", JSON.stringify(request), { correlationId: crash });
      await once(worker, "close");
      assert.match(output, expected);
      if (crash !== "abort") assert.match(output, /driver failed.*driver failed below/s);
      assertNoSecret(output);
      // Otherwise the broker would redeliver the request to the next worker.
      const purge = async (): Promise<boolean> => (await caller.channel.purgeQueue("login")).messageCount > 0;
      await waitUntil("the request to come back", async () => (await purge()) || undefined);
    });
  }
});

test("a worker with the log level trace logs no secret of any request", async () => {
  const worker = startCli(["serve"], { cwd });
  let output = "";
  worker.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await waitUntil("ready", () => output.includes('"msg":"ready"'));
  const call = async (queue: string, request: object): Promise<Record<string, unknown>> => {
    const before = caller.replies.length;
    caller.publish(queue, JSON.stringify(request));
    return bodyOf(await waitUntil("a reply", () => caller.replies[before])).resp_data;
  };
  const { id_token } = await call("login", { username: "root", password: PASSWORD });
  await call("login", { username: "root", password: "a wrong password" });
  const { access_token } = await call("token", { id_token });
  await call("user_register", { username: "alice", password: "registered", password_confirm: "registered" });
  const alice = { username: "alice", email: "alice@example.com", password: "the password of alice" };
  await call("user_admin_create", { ...alice, access_token });
  await call("user_change", { username: "alice", password: "another of alice", access_token });
  await call("group_all", { access_token: `${String(access_token)}x` });
  const { api_key } = await call("api_key_create", { username: "root", name: "traced", access_token });
  await call("token", { api_key });
  await call("token", { api_key: `${String(api_key)}x` });
  await call("logout", { id_token });
  worker.kill("SIGTERM");
  await once(worker, "close");
  assert.match(output, /"level":30,.*"INVALID_CREDENTIALS"/);
  assert.match(String(api_key), /^authmq_/);
  const tokens = [id_token, access_token].map((token) => String(token).split(".")[2]!);
  const passwords = ["a wrong password", "registered", alice.password, "another of alice"];
  assertNoSecret(output, ...passwords, ...tokens, String(api_key));
});

describe("the command line of a call", () => {
  const REQUEST = JSON.stringify({ username: "root", password: PASSWORD });

  for (const [name, args] of [
    ["call", ["call", "login", REQUEST, "--timeout", "60"]],
    ["call with options first", ["call", "--timeout", "60", "login", REQUEST]],
    ["bench", ["bench", "login", REQUEST, "-n", "1", "--timeout", "60"]],
  ] as const) {
    test(`is overwritten: ${name}`, { skip: process.platform !== "linux" }, async () => {
      await caller.channel.assertQueue("login", { durable: true });
      const running = startCli(args, { cwd });
      const printed = text(running.stderr);
      // The command waits for a reply that no worker sends.
      await waitUntil("the request", async () => (await caller.channel.checkQueue("login")).messageCount > 0);
      const shown = readFileSync(`/proc/${running.pid}/cmdline`, "utf8").replaceAll("\0", "");
      running.kill("SIGKILL");
      assert.equal(shown, `authmq ${args[0]}`);
      const hint = /^authmq: other users of this host .* contains password: pass - .* stdin\n$/;
      assert.match(await printed, hint);
      await caller.channel.purgeQueue("login");
    });
  }

  test("is not overwritten, without a warning, if the request is on stdin or contains no secret", async () => {
    const options = { cwd, stdin: REQUEST };
    assert.equal(
      (await runCli(["call", "login", "-", "--timeout", "0.1"], options)).stderr.split("\n").length,
      2,
    );
    const harmless = ["call", "user_get", '{"username":"password"}', "--timeout", "0.1"];
    assert.doesNotMatch((await runCli(harmless, { cwd })).stderr, /other users/);
    const { stderr } = await runCli(["call", "none", '{"access_token":"x"}'], { cwd });
    assert.match(stderr, /^authmq: other users .* this one contains access_token/);
    await caller.channel.purgeQueue("login");
  });
});
