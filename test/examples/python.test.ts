import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { amqpUrl } from "../support/rabbitmq.ts";
import { startProxy } from "../support/proxy.ts";
import { missingForPython, PYTHON } from "../support/python.ts";
import { startWorker } from "../support/worker.ts";
import { done, refused, startResponder, through } from "../client/responder.ts";

const skip = missingForPython() ?? false;
const FOLDER = resolve(import.meta.dirname, "../../examples/python");

/** Runs Python in the folder of the example. */
async function python(args: readonly string[], url: string, stdin = "") {
  const env = { ...process.env, AMQP_URL: url, PYTHONDONTWRITEBYTECODE: "1" };
  const child = spawn(PYTHON, args, { cwd: FOLDER, env });
  child.stdin.end(stdin);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { code: child.exitCode, stdout, stderr };
}

/** Runs a program with a client, and returns the JSON that it prints. */
async function program(url: string, lines: string, { timeout = 10 } = {}): Promise<unknown> {
  const source = [
    "import json, os, time",
    "from authmq_client import AuthClient, AuthError, NoReply",
    `with AuthClient(os.environ["AMQP_URL"], timeout=${timeout}) as auth:`,
    ...lines
      .trimEnd()
      .split("\n")
      .map((line) => line.slice(2)),
  ].join("\n");
  const { code, stdout, stderr } = await python(["-c", source], url);
  assert.deepEqual([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

describe("the Python example", { skip }, () => {
  test("logs in with the right password, and prints the error code of a failure", async () => {
    await using worker = await startWorker();
    await worker.addUser("alice", "correct horse", { groups: ["dev", "ops"] });
    const right = await python(["first_call.py", "alice"], worker.url, "correct horse\n");
    assert.deepEqual(right, { code: 0, stdout: "alice is in dev, ops\n", stderr: "" });
    const wrong = await python(["first_call.py", "alice"], worker.url, "wrong\n");
    assert.deepEqual(wrong, {
      code: 1,
      stdout: "",
      stderr: "INVALID_CREDENTIALS: could not log in: wrong username or password\n",
    });
  });

  test("gets the same reply for the same idempotency key, and raises errors with their codes", async () => {
    await using worker = await startWorker({ config: { app_config: { allow_registration: true } } });
    const outcome = await program(
      worker.url,
      `
      user = {"username": "alice", "password": "correct horse", "password_confirm": "correct horse"}
      user["email"] = "alice@example.com"
      outcome = [auth.call("user_register", user, key="k")["success"], auth.call("user_register", user, key="k")["success"]]
      for request, key in [(user, None), ({**user, "email": "b@example.com"}, "k"), ({"username": 1}, None)]:
          try:
              auth.call("user_register", request, key=key)
          except AuthError as error:
              outcome.append([error.code, error.resp_code, "fields" in error.data])
      print(json.dumps(outcome))
      `,
    );
    assert.deepEqual(outcome, [
      true,
      true,
      ["USERNAME_TAKEN", 409, false],
      ["IDEMPOTENCY_CONFLICT", 409, false],
      ["INVALID_INPUT", 400, true],
    ]);
  });

  test("retries with the same key after 503 and after a lost connection, and gives up in time", async () => {
    await using proxy = await startProxy(Number(new URL(amqpUrl).port));
    await using responder = await startResponder(["busy", "lost", "silent"], ({ queue }, index) => {
      if (queue === "busy" && index < 2) return refused(503, "UNAVAILABLE");
      if (queue === "lost" && index === 3) proxy.restore(); // closes the connections
      return queue === "silent" || (queue === "lost" && index === 3) ? undefined : done({ queue });
    });
    const outcome = await program(
      through(proxy.port, responder.url),
      `
      outcome = [auth.call("busy", {})["queue"], auth.call("lost", {})["queue"]]
      for queue in ["silent", "missing"]:
          begin = time.monotonic()
          try:
              auth.call(queue, {}, timeout=1)
          except NoReply as error:
              outcome.append([error.code, str(error), 0.4 < time.monotonic() - begin < 2])
      print(json.dumps(outcome))
      `,
    );
    assert.deepEqual(outcome, [
      "busy",
      "lost",
      ["NO_REPLY", "no reply within 1.0 s", true],
      ["NO_REPLY", "there is no queue missing: is a worker running?", true],
    ]);
    const keysOf = (name: string): unknown[] =>
      responder.received
        .filter(({ queue }) => queue === name)
        .map(({ properties }) => properties.messageId as unknown);
    assert.equal(keysOf("busy").length, 3);
    assert.equal(keysOf("lost").length, 2);
    for (const name of ["busy", "lost"]) assert.equal(new Set(keysOf(name)).size, 1);
  });

  test("gives up in time if the broker hangs before the connection is open", async () => {
    await using proxy = await startProxy(Number(new URL(amqpUrl).port));
    proxy.hang();
    const outcome = await program(
      through(proxy.port, amqpUrl),
      `
      outcome = []
      for turn in range(2):
          begin = time.monotonic()
          try:
              auth.call("login", {}, timeout=1)
          except NoReply as error:
              outcome.append([error.code, "Timeout" in str(error), time.monotonic() - begin < 5])
      print(json.dumps(outcome))
      `,
    );
    assert.deepEqual(outcome, Array(2).fill(["NO_REPLY", true, true]));
  });
});
