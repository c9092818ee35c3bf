/**
 * The demo: `npm run -s demo`. Finds or starts a RabbitMQ, creates an installation with two workers in a scratch
 * folder, runs `authmq call` processes against it, and removes everything at the end. Exits with 0 only if every reply
 * was as expected.
 */
import { randomBytes } from "node:crypto";
import { Scratch } from "../support/servers/scratch.ts";
import { type Broker, byQueue, deleteQueues, findBroker, nameQueues, startBroker } from "./broker.ts";
import { DemoInstallation } from "./installation.ts";
import { tellStory } from "./story.ts";
import { chapter, closing, command, printDone, failure, heading, introduction, remark } from "./terminal.ts";

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

const NEXT_STEPS = [
  "",
  "Next steps",
  "    README.md               the same on your own broker: init, migrate, admin create, serve, call",
  "    docs/protocol.md        all queues, with requests, replies and errors",
  "    docs/configuration.md   every setting, in the file and by environment variable",
  "    make test               the tests, on a real RabbitMQ and MariaDB",
];

const startedAt = performance.now();
const scratch = new Scratch();
const installation = new DemoInstallation(scratch);
const queues = nameQueues();
let shared: Broker | undefined;
let ending: Promise<never> | undefined;

for (const [signal, number] of Object.entries(SIGNALS)) {
  process.on(signal, () => {
    if (ending === undefined) failure(`\n${signal}: stopping`);
    void end(128 + number);
  });
}

try {
  const replies = await play();
  if (ending === undefined) {
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    closing(`All ${replies} replies were as expected (${seconds} s).`, NEXT_STEPS);
  }
  await end(0);
} catch (error) {
  if (ending === undefined) failure(error instanceof Error ? error.message : String(error));
  await end(1);
}

async function play(): Promise<number> {
  const rootPassword = randomBytes(9).toString("base64url");
  introduction(
    "authmq: users, groups and tokens for services that communicate over RabbitMQ",
    "Every command is a separate process; every reply comes from the broker. Tokens are shortened.",
  );
  chapter("A new installation");
  heading("Find a running RabbitMQ, or start one for this demo.");
  shared = await findBroker();
  // Create files and database while the broker starts.
  const starting = shared ? Promise.resolve(shared) : startBroker(scratch, remark);
  starting.catch(() => undefined); // awaited below
  if (shared === undefined) remark("No RabbitMQ was found: one is starting in the background.");
  else describe(shared);

  heading("init writes a configuration and a signing key; migrate creates the database, here SQLite.");
  await show(["init", installation.folder], "authmq init");
  await show(["migrate"], "authmq migrate");
  heading("Create the first administrator directly in the database. The password comes from stdin.");
  const create = ["admin", "create", "root", "--email", "root@example.com"];
  await show(create, `authmq ${create.join(" ")} < password.txt`, rootPassword);

  if (shared === undefined) {
    heading("Wait for RabbitMQ, which takes a few seconds to start.");
    describe(await starting);
  }
  const broker = await starting;
  installation.configure(settingsFor(broker.url));
  heading("Start two workers that share the queues. AMQP_URL sets the address of the broker.");
  const { protocol, host, pathname } = broker.url;
  command(`export AMQP_URL=${protocol}//…@${host}${pathname}`);
  command("authmq serve & authmq serve &");
  const [first, second] = await Promise.all([installation.serve("worker-1"), installation.serve("worker-2")]);
  printDone(`ready: worker ${first.pid} and worker ${second.pid}`);
  return tellStory({ installation, secondWorker: second, rootPassword, queues: byQueue(queues) });
}

/** Runs a command and shows its output. */
async function show(args: readonly string[], shown: string, stdin = ""): Promise<void> {
  command(shown);
  const output = await installation.must(args, stdin);
  const lines = output.trim().replaceAll(`${installation.folder}/`, "").split("\n");
  printDone(lines.join(", ").replaceAll(", applied", ","));
}

function describe({ url, origin }: Broker): void {
  printDone(`RabbitMQ on ${url.host}, ${origin}`);
}

/** The environment that completes the configuration file. */
function settingsFor({ href }: URL): Record<string, string> {
  return { AMQP_URL: href, AUTHMQ__QUEUE_SETTINGS: JSON.stringify(queues) };
}

/** Stops everything that was started and ends the process. */
function end(code: number): Promise<never> {
  ending ??= (async () => {
    await installation.stop().catch(() => undefined);
    if (shared !== undefined) await deleteQueues(shared, Object.values(queues)).catch(() => undefined);
    await scratch.close();
    process.exit(code);
  })();
  return ending;
}
