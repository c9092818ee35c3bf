/**
 * Runs the tests on real servers: `npm test [-- FILES OR FOLDERS...] [--fast] [--coverage] [other options of node --test]`.
 * SERVERS=newest selects other versions (see servers/selection.ts). `--fast` runs the files that need no server;
 * `--script=FILE` runs another program on the servers; `--install` only installs them. Installs and starts what the
 * files need (see needs.ts), returns the exit code of node's test runner, and stops and deletes everything at the end.
 * Before the runner's summary it reports whether written data contains a secret (see ../secrets/verdict.ts).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { passOn } from "../secrets/closing-lines.ts";
import { searchSecrets } from "../secrets/verdict.ts";
import { bundlePackages } from "./bundle-packages.ts";
import { needsOf } from "./needs.ts";
import { neutralEnvironment } from "./neutral-environment.ts";
import { startDatabase } from "./servers/database.ts";
import { provideOptional } from "./servers/optional.ts";
import { startRabbitMq } from "./servers/rabbitmq.ts";
import { endGroup, Scratch } from "./servers/scratch.ts";
import { provideServers } from "./servers/sources.ts";

const NEEDED_NODE = 24;
const SCRIPT = "--script=";
/** Number of concurrent test files: more take longer on two processors, and miss time limits. */
const CONCURRENCY = 3;
/** Compile cache: every test file loads the same modules. */
const COMPILED = resolve(import.meta.dirname, "../../node_modules/.cache/authmq-tests");
const USE_BUNDLES = new URL("./use-bundles.ts", import.meta.url).href;
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
  await end(await run(process.argv.slice(2)));
} catch (error) {
  if (interrupted === undefined) say(error instanceof Error ? error.message : String(error));
  await end(interrupted ? 128 + SIGNAL_NUMBERS[interrupted] : 1);
}

/** Runs the program or the test files (by default all); resolves with the exit code. */
async function run(args: readonly string[]): Promise<number> {
  const script = args.find((arg) => arg.startsWith(SCRIPT))?.slice(SCRIPT.length);
  if (script !== undefined) {
    const servers = await startServers([script], { busyWait: true });
    return runProgram(servers, [script, ...args.filter((arg) => !arg.startsWith(SCRIPT))]);
  }
  const files = args.filter((arg) => !arg.startsWith("-"));
  const options = args.filter((arg) => arg.startsWith("-") && arg !== "--coverage" && arg !== "--fast");
  if (args.includes("--coverage")) {
    options.push("--experimental-test-coverage", "--test-coverage-include=src/**");
    process.env["NODE_DISABLE_COMPILE_CACHE"] = "1"; // V8 reports less coverage for cached code
  }
  const named = filesOf(files.length > 0 ? files : ["test"]);
  if (args.includes("--install")) {
    await installServers(needsOf(named));
    return 0;
  }
  const chosen = args.includes("--fast") ? named.filter(needsNoServer) : named;
  return runTests(await startServers(chosen, { busyWait: false }), [...options, ...chosen]);
}

/** Test files, and all test files in folders. Throws if a path does not exist: a typing error must not run fewer tests. */
function filesOf(paths: readonly string[]): readonly string[] {
  return paths.flatMap((path) =>
    statSync(path).isDirectory() ? globSync(`${path}/**/*.test.ts`).toSorted() : [path],
  );
}

function needsNoServer(file: string): boolean {
  const { install, start, registry } = needsOf([file]);
  return install.size === 0 && !start.rabbitmq && !start.database && !registry;
}

/** Starts the servers that these files need, concurrently; resolves with the environment for the files. */
async function startServers(
  files: readonly string[],
  { busyWait }: { readonly busyWait: boolean },
): Promise<Record<string, string>> {
  const needs = needsOf(files);
  const { start } = needs;
  await installServers(needs);
  const [rabbitMq, database] = await Promise.all([
    start.rabbitmq ? timed(startRabbitMq(scratch, { busyWait })) : undefined,
    start.database ? timed(startDatabase(scratch)) : undefined,
  ]);
  return {
    AUTHMQ_TEST_SCRATCH: scratch.folder,
    ...(rabbitMq && {
      AUTHMQ_TEST_AMQP_URL: rabbitMq.url,
      AUTHMQ_TEST_MANAGEMENT_URL: rabbitMq.managementUrl,
      AUTHMQ_TEST_RABBITMQ_PID: String(rabbitMq.pid ?? ""),
    }),
    ...(database && {
      AUTHMQ_TEST_DATABASE: JSON.stringify({
        host: database.host,
        port: database.port,
        user: database.user,
        password: database.password,
      }),
      AUTHMQ_TEST_DATABASE_PID: String(database.pid ?? ""),
    }),
  };
}

/** Installs what is missing on this machine. */
async function installServers({ install, start }: ReturnType<typeof needsOf>): Promise<void> {
  const shared = (["rabbitmq", "database"] as const).filter((name) => start[name] || install.has(name));
  await provideServers(say, shared);
  await provideOptional(say, install);
}

/** Runs node's test runner with these arguments, and the search for secrets; resolves with the exit code. */
async function runTests(addresses: Record<string, string>, args: readonly string[]): Promise<number> {
  const notes = scratch.subfolder("notes");
  const testing = [
    `--import=${USE_BUNDLES}`,
    "--test",
    `--test-concurrency=${CONCURRENCY}`,
    "--test-reporter=spec",
    "--test-timeout=120000",
    ...args,
  ];
  const variables = { AUTHMQ_TEST_NOTES: notes, AUTHMQ_TEST_BUNDLES: await bundlePackages(COMPILED) };
  const child = start(testing, { ...addresses, ...variables, ...colours() }, "pipe");
  const passing = child.stdout === null ? undefined : passOn(child.stdout, process.stdout);
  const [code] = (await once(child, "exit")) as [number | null];
  // Processes that a test left running still hold the runner's output open: end them now.
  await endGroup(child);
  const closing = await passing;
  if (interrupted !== undefined) return 1; // the noted data is being deleted
  const { ok, lines } = searchSecrets(notes);
  process.stdout.write(`${lines.join("\n")}\n${closing ?? ""}`);
  return ok ? (code ?? 1) : code || 1;
}

async function runProgram(addresses: Record<string, string>, args: readonly string[]): Promise<number> {
  const [code] = (await once(start(args, addresses, "inherit"), "exit")) as [number | null];
  return code ?? 1;
}

/** Starts Node in its own process group, so that it can be ended with all its children. */
function start(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  stdout: "pipe" | "inherit",
): ChildProcess {
  runner = spawn(process.execPath, args, {
    detached: true,
    env: { ...neutralEnvironment(process.env), NODE_COMPILE_CACHE: COMPILED, ...environment },
    stdio: ["ignore", stdout, "inherit"],
  });
  scratch.registerProcess(runner);
  return runner;
}

/** Forwards colour support: the runner does not see this process's terminal. */
function colours(): NodeJS.ProcessEnv {
  return process.stdout.isTTY && process.env["NO_COLOR"] === undefined ? { FORCE_COLOR: "1" } : {};
}

/** Ends the tests, the servers and the process. Prints nothing, so that node's summary stays last. */
async function end(code: number): Promise<void> {
  if (runner) await endGroup(runner);
  await scratch.close();
  process.exit(code);
}

async function timed<T extends { product: string; host: string; port: number; version: string }>(
  starting: Promise<T>,
): Promise<T> {
  const server = await starting;
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  say(`${server.product} ${server.version} on ${server.host}:${server.port} (${seconds} s)`);
  return server;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
