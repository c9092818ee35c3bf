import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { text as streamText } from "node:stream/consumers";
import { after, test } from "node:test";
import { parse } from "yaml";
import { Scratch } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";

const scratch = new Scratch();
after(() => scratch.close());

const text = readFileSync(new URL("../../docker-compose.yml", import.meta.url), "utf8");
const { services } = parse(text, { merge: true }) as {
  services: { worker: { healthcheck: { test: string[] } } };
};
const [mode, program = "", ...args] = services.worker.healthcheck.test;

test("the health check of docker-compose.yml starts no Node process", () => {
  assert.deepEqual([mode, program, args[0]], ["CMD", "bash", "-c"]);
  assert.doesNotMatch(args.join(" "), /\b(node|npx|authmq |curl|wget)\b/);
});

test("the health check succeeds while a worker is ready, and fails when it has stopped", async () => {
  const port = await scratch.freePort();
  const worker = await startWorker({ config: { health_settings: { port } } });
  try {
    assert.deepEqual(await check(port), { status: 0, stderr: "" });
  } finally {
    await worker[Symbol.asyncDispose]();
  }
  const { status } = await check(port);
  assert.notEqual(status, 0);
});

test("the health check fails for a worker that is not ready, and for a port that says nothing", async () => {
  const { status } = await checkServer("HTTP/1.1 503 Service Unavailable\r\n\r\n");
  assert.notEqual(status, 0);
  assert.equal((await checkServer("HTTP/1.1 200 OK\r\n\r\n")).status, 0);
  assert.notEqual((await checkServer("")).status, 0);
});

/** Runs the health check as Docker does: it replaces `$$` by `$`, and the container has the variable. */
async function check(port: number): Promise<{ status: number | null; stderr: string }> {
  const child = spawn(
    program,
    args.map((arg) => arg.replaceAll("$$", "$")),
    {
      env: { PATH: process.env["PATH"], AUTHMQ__HEALTH_SETTINGS__PORT: String(port) },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const [stderr] = await Promise.all([streamText(child.stderr), once(child, "exit")]);
  return { status: child.exitCode, stderr };
}

/** Runs the health check on a server that sends this response and closes the connection. */
async function checkServer(response: string): Promise<{ status: number | null; stderr: string }> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined); // the check closes its side early
    socket.once("data", () => socket.end(response));
  });
  const port = await scratch.freePort();
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const result = await check(port);
  server.close();
  await once(server, "close");
  return result;
}
