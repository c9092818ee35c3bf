/**
 * Runs the tests on real servers: `npm test [-- FILES...] [--coverage] [other options of node --test]`; or, with
 * `--script=FILE`, a program that needs them as well.
 * Starts a private RabbitMQ and MariaDB, gives their addresses to the test files (see env.ts), passes on the exit
 * code of node's test runner, and leaves nothing behind, however it ends. Before the runner's closing lines it says
 * whether a secret stands in anything that was written meanwhile (see ../secrets/verdict.ts).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { passOn } from "../secrets/closing-lines.ts";
import { judgeSecret } from "../secrets/verdict.ts";
import { neutralEnvironment } from "./neutral-environment.ts";
import { provideServers } from "./servers/install.ts";
import { startMariaDb } from "./servers/mariadb.ts";
import { provideOptional } from "./servers/optional.ts";
import { startRabbitMq } from "./servers/rabbitmq.ts";
import { endGroup, Scratch } from "./servers/scratch.ts";

const NEEDED_NODE = 24;
const SCRIPT = "--script=";
const WATCH = new URL("../secrets/watch.ts", import.meta.url).href;
const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

const startedAt = performance.now();

if (Number.parseInt(process.versions.node) < NEEDED_NODE) {
  say(`The tests need Node ${NEEDED_NODE} or newer; this is ${process.version} (${process.execPath}).`);
  process.exit(1);
}

const scratch = new Scratch();
let runner: ChildProcess | undefined;
let interrupted: keyof typeof SIGNAL_NUMBERS | undefined;

for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (interrupted === undefined) say(`${signal}: stopping`);
    interrupted ??= signal;
    void end(128 + SIGNAL_NUMBERS[signal]);
  });
}

try {
  await end(await runTests(await startServers(), process.argv.slice(2)));
} catch (error) {
  if (interrupted === undefined) say(error instanceof Error ? error.message : String(error));
  await end(interrupted ? 128 + SIGNAL_NUMBERS[interrupted] : 1);
}

/** Starts both servers at once; resolves to the environment that test files read. */
async function startServers(): Promise<Record<string, string>> {
  const modes = await provideServers(say);
  await provideOptional(say);
  const [rabbitMq, mariaDb] = await Promise.all([
    timed("RabbitMQ", startRabbitMq(scratch, { mode: modes.rabbitmq })),
    timed("MariaDB", startMariaDb(scratch, { mode: modes.mariadb })),
  ]);
  const { host, port, user, password } = mariaDb;
  return {
    AUTHMQ_TEST_AMQP_URL: rabbitMq.url,
    AUTHMQ_TEST_MANAGEMENT_URL: rabbitMq.managementUrl,
    AUTHMQ_TEST_MYSQL: JSON.stringify({ host, port, user, password }),
    AUTHMQ_TEST_PIDS: JSON.stringify({ rabbitmq: rabbitMq.pid, mariadb: mariaDb.pid }),
    AUTHMQ_TEST_SCRATCH: scratch.folder,
  };
}

/** Runs the test files, all of them unless some are named; resolves to the exit code. */
async function runTests(addresses: Record<string, string>, args: readonly string[]): Promise<number> {
  const files = args.filter((arg) => !arg.startsWith("-"));
  const options = args.filter((arg) => arg.startsWith("-") && arg !== "--coverage");
  if (args.includes("--coverage")) {
    options.push("--experimental-test-coverage", "--test-coverage-include=src/**");
  }
  const script = options.find((option) => option.startsWith(SCRIPT))?.slice(SCRIPT.length);
  const testing = [
    `--import=${WATCH}`,
    "--test",
    "--test-concurrency=2",
    "--test-reporter=spec",
    "--test-timeout=120000",
    ...options,
    ...(files.length > 0 ? files : ["test/**/*.test.ts"]),
  ];
  const notes = scratch.subfolder("notes");
  runner = spawn(
    process.execPath,
    script === undefined ? testing : [script, ...args.filter((arg) => !arg.startsWith(SCRIPT))],
    // In a group of its own, so that test files and what they started can be ended with it.
    {
      detached: true,
      env: {
        ...neutralEnvironment(process.env),
        ...addresses,
        ...(script === undefined ? { AUTHMQ_TEST_NOTES: notes, ...colours() } : {}),
      },
      stdio: ["ignore", script === undefined ? "pipe" : "inherit", "inherit"],
    },
  );
  scratch.registerProcess(runner);
  const passing = runner.stdout === null ? undefined : passOn(runner.stdout, process.stdout);
  const [code] = (await once(runner, "exit")) as [number | null];
  if (passing === undefined) return code ?? 1;
  // What a test left running has the runner's output open, too, and is ended now.
  await endGroup(runner);
  const closing = await passing;
  if (interrupted !== undefined) return 1; // what was noted goes at this moment
  const { ok, lines } = judgeSecret(notes);
  process.stdout.write(`${lines.join("\n")}\n${closing}`);
  return ok ? (code ?? 1) : code || 1;
}

/** The runner does not see the terminal behind this process. */
function colours(): NodeJS.ProcessEnv {
  return process.stdout.isTTY && process.env["NO_COLOR"] === undefined ? { FORCE_COLOR: "1" } : {};
}

/** Ends the tests, the servers and the process; node's closing lines stay the last ones, so it prints nothing. */
async function end(code: number): Promise<void> {
  if (runner) await endGroup(runner);
  await scratch.close();
  process.exit(code);
}

async function timed<T extends { host: string; port: number; version: string }>(
  name: string,
  starting: Promise<T>,
): Promise<T> {
  const server = await starting;
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  say(`${name} ${server.version} on ${server.host}:${server.port} (${seconds} s)`);
  return server;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
