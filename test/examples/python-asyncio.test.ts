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

/** Runs a program with a client, and returns the JSON that it prints. */
async function program(url: string, lines: string, { timeout = 10 } = {}): Promise<unknown> {
  const source = [
    "import asyncio, json, os, time",
    "from aio_authmq_client import AsyncAuthClient, AuthError, NoReply",
    "async def outcome_of(awaitable):",
    "    begin = time.monotonic()",
    "    try:",
    "        return await awaitable",
    "    except (AuthError, NoReply) as error:",
    "        return [error.code, str(error), 0.4 < time.monotonic() - begin < 2]",
    "async def main():",
    `    async with AsyncAuthClient(os.environ["AMQP_URL"], timeout=${timeout}) as auth:`,
    ...lines
      .trimEnd()
      .split("\n")
      .map((line) => line.replace(/^ {6}/, "        ")),
    "asyncio.run(main())",
  ].join("\n");
  const env = { ...process.env, AMQP_URL: url, PYTHONDONTWRITEBYTECODE: "1" };
  const child = spawn(PYTHON, ["-c", source], { cwd: FOLDER, env });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  assert.deepEqual([child.exitCode, stderr], [0, ""]);
  return JSON.parse(stdout);
}

describe("the asyncio client in Python", { skip }, () => {
  test("calls many queues at a time, gets the same reply for the same key, and raises errors with their codes", async () => {
    await using worker = await startWorker({ config: { app_config: { allow_registration: true } } });
    await worker.addUser("bobby", "correct horse", { groups: ["dev"] });
    const outcome = await program(
      worker.url,
      `
      id_token = (await auth.call("login", {"username": "bobby", "password": "correct horse"}))["id_token"]
      access_token = (await auth.call("token", {"id_token": id_token}))["access_token"]
      queues = ["group_all", "user_all"] * 20
      replies = await asyncio.gather(*(auth.call(queue, {"access_token": access_token}) for queue in queues))
      user = {"username": "alice", "password": "correct horse", "password_confirm": "correct horse"}
      user["email"] = "alice@example.com"
      outcome = [replies == [{"groups": ["dev"]}, {"users": ["bobby"]}] * 20]
      outcome += [(await auth.call("user_register", user, key="k"))["success"] for _ in range(2)]
      for request, key in [(user, None), ({**user, "email": "b@example.com"}, "k"), ({"username": 1}, None)]:
          try:
              await auth.call("user_register", request, key=key)
          except AuthError as error:
              outcome.append([error.code, error.resp_code, "fields" in error.data])
      print(json.dumps(outcome))
      `,
    );
    assert.deepEqual(outcome, [
      true,
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
      outcome = [(await auth.call("busy", {}))["queue"], (await auth.call("lost", {}))["queue"]]
      calls = [auth.call(queue, {}, timeout=1) for queue in ["silent", "missing"]]
      outcome += await asyncio.gather(*map(outcome_of, calls))
      print(json.dumps(outcome))
      `,
    );
    assert.deepEqual(outcome, [
      "busy",
      "lost",
      ["NO_REPLY", "no reply within 1 s", true],
      ["NO_REPLY", "there is no queue missing: is a worker running?", true],
    ]);
    for (const [name, count] of [
      ["busy", 3],
      ["lost", 2],
    ] as const) {
      const keys = responder.received
        .filter(({ queue }) => queue === name)
        .map(({ properties }) => properties.messageId as unknown);
      assert.equal(keys.length, count);
      assert.equal(new Set(keys).size, 1);
    }
  });

  test("sends all calls again that waited for a reply when the connection was lost", async () => {
    await using proxy = await startProxy(Number(new URL(amqpUrl).port));
    await using responder = await startResponder(["echo"], (_request, index) => {
      if (index === 4) proxy.restore(); // closes the connections
      return index <= 4 ? undefined : done({});
    });
    const outcome = await program(
      through(proxy.port, responder.url),
      `
      print(json.dumps(await asyncio.gather(*(auth.call("echo", {}) for _ in range(5)))))
      `,
    );
    assert.deepEqual(outcome, Array(5).fill({}));
    assert.equal(
      new Set(responder.received.map(({ properties }) => properties.messageId as unknown)).size,
      5,
    );
  });

  test("gives up in time if the broker hangs before the connection is open, or refuses connections", async () => {
    await using proxy = await startProxy(Number(new URL(amqpUrl).port));
    for (const state of ["hang", "cut"] as const) {
      proxy[state]();
      const outcome = await program(
        through(proxy.port, amqpUrl),
        `
      print(json.dumps([await outcome_of(auth.call("login", {}, timeout=1)) for _ in range(2)]))
      `,
      );
      for (const [code, message, inTime] of outcome as [string, string, boolean][])
        assert.deepEqual([code, inTime], ["NO_REPLY", true], message);
    }
  });
});
