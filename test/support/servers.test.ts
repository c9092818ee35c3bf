import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer, type Server as TcpServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createConnection } from "mysql2/promise";
import { createDatabase, dropDatabase } from "./database.ts";
import { amqpUrl, callManagement, createVhost, deleteVhost } from "./rabbitmq.ts";
import { scratchFolder } from "./scratch-folder.ts";
import { isRunning, signalGroup, startTime } from "./servers/process-table.ts";
import { Scratch, waitUntil } from "./servers/scratch.ts";

const IDLE = "console.log('up'); setInterval(() => {}, 1000)";
const STUBBORN = `process.on("SIGTERM", () => {}); ${IDLE}`;

/** A small run: a scratch folder with one simple server. It never ends by itself. */
const RUN = `
  import { readFileSync } from "node:fs";
  import { Scratch, waitUntil } from ${JSON.stringify(new URL("./servers/scratch.ts", import.meta.url).href)};
  const scratch = new Scratch();
  const server = scratch.process(process.execPath, ["-e", process.argv[1]], { name: "server", env: {} });
  await server.start();
  await waitUntil("the server", () => readFileSync(scratch.folder + "/server.log", "utf8").includes("up") || undefined);
  process.on("SIGUSR2", () => scratch.close().then(() => process.exit(0)));
  console.log(JSON.stringify({ folder: scratch.folder, server: server.pid }));
  setInterval(() => {}, 1000);
`;

const runs: ChildProcess[] = [];
after(() => runs.forEach((run) => run.kill("SIGKILL")));

for (const [signal, kind, program] of [
  ["SIGKILL", "a server that ignores SIGTERM", STUBBORN],
  ["SIGINT", "a server", IDLE],
  ["SIGTERM", "a server", IDLE],
] as const) {
  test(`a run with ${kind} that ends by ${signal} leaves neither the server nor the folder`, async () => {
    const { run, folder, server, start } = await startRun(program);
    assert.ok(existsSync(folder), folder);
    run.kill(signal);
    await once(run, "exit");
    await waitUntil("the end of the server", () => !isRunning(server, start), { seconds: 10 });
    await waitUntil("the end of the folder", () => !existsSync(folder), { seconds: 10 });
  });
}

test("when close() resolves, the server has ended and the folder is removed", async () => {
  const { run, folder, server, start } = await startRun(STUBBORN);
  run.kill("SIGUSR2");
  const [code] = (await once(run, "exit")) as [number | null];
  assert.equal(code, 0);
  assert.equal(isRunning(server, start), false);
  assert.equal(existsSync(folder), false);
});

test("a signal for an ended process does not hit a new process with the same number", async () => {
  await using scratch = new Scratch();
  const server = scratch.process(process.execPath, ["-e", IDLE], { name: "later", env: {} });
  await server.start();
  const pid = server.pid!;
  const start = startTime(pid);
  signalGroup(pid, "1", "SIGKILL");
  await sleep(50); // nothing shows that no signal was sent
  assert.equal(isRunning(pid, start), true);
  signalGroup(pid, start, "SIGKILL");
  await waitUntil("its end", () => !isRunning(pid, start));
});

test("a scratch folder can be closed twice, and a server in it can be killed twice and restarted", async () => {
  await using scratch = new Scratch();
  const server = scratch.process(process.execPath, ["-e", IDLE], { name: "idle", env: {} });
  await server.start();
  const first = server.pid;
  await server.kill();
  await server.kill();
  assert.equal(server.pid, undefined);
  await server.start();
  assert.notEqual(server.pid, first);
  await scratch.close();
  assert.equal(server.pid, undefined);
  await assert.rejects(server.start(), /the run is ending/);
});

test("a server that ends by itself is reported with the last lines of its log", async () => {
  await using scratch = new Scratch();
  const server = scratch.process(process.execPath, ["-e", "console.error('no licence')"], {
    name: "dying",
    env: {},
  });
  await server.start();
  await assert.rejects(
    waitUntil("the server", () => undefined, { died: () => server.died() }),
    /the server: it has ended\nno licence/,
  );
});

test("ports are free, distinct and below the kernel's own range", async () => {
  await using scratch = new Scratch();
  await using other = new Scratch();
  const ports = await Promise.all(Array.from({ length: 60 }, (_, i) => (i % 2 ? scratch : other).freePort()));
  assert.equal(new Set(ports).size, ports.length);
  assert.deepEqual(
    ports.filter((port) => port < 1_024 || port >= 32_768),
    [],
  );
  const isClaimed = (port: number) => existsSync(join(scratchFolder, "ports", String(port)));
  assert.deepEqual(
    ports.filter((port) => !isClaimed(port)),
    [],
    "claims are for the whole run",
  );
  await Promise.all(ports.slice(0, 5).map(listenOnce));
});

test("a test file gets its own vhost and database, and can drop them", async () => {
  const vhost = await createVhost("room of one's own");
  assert.equal(vhost.url, `${amqpUrl}/room%20of%20one's%20own`);
  assert.deepEqual(await callManagement("GET", `queues/${encodeURIComponent(vhost.name)}`), []);
  await deleteVhost(vhost.name);
  await assert.rejects(callManagement("GET", `vhosts/${encodeURIComponent(vhost.name)}`), /404/);

  const database = await createDatabase();
  const connection = await createConnection(database);
  await connection.query("create table proof (id int primary key)");
  await connection.end();
  await dropDatabase(database.database);
  await assert.rejects(createConnection(database), { errno: 1049 });
});

async function startRun(
  program: string,
): Promise<{ run: ChildProcess; folder: string; server: number; start: string }> {
  const run = spawn(process.execPath, ["--input-type=module", "-e", RUN, program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  runs.push(run);
  const [line] = (await once(createInterface({ input: run.stdout }), "line")) as [string];
  const { folder, server } = JSON.parse(line) as { folder: string; server: number };
  return { run, folder, server, start: startTime(server) };
}

async function listenOnce(port: number): Promise<void> {
  const server: TcpServer = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  server.close();
}
