import { readFileSync } from "node:fs";
import { Command, Option } from "commander";
import { NoReplyError } from "../client/errors.ts";
import { connectRpc } from "../client/rpc-client.ts";
import { type Config, loadConfig } from "../config/load.ts";
import { isQueueName } from "../config/queues.ts";
import { messageOf } from "../errors.ts";
import { toPrintable } from "../observability/printable.ts";
import { ExitError } from "./exit.ts";
import { configOption, findConfig, seconds } from "./options.ts";

const EXIT_REFUSED = 1;
const EXIT_NO_REPLY = 2;

/** What nobody else on this host should read. */
const SECRET_FIELDS = [
  ...["password", "password_confirm", "kerberos_ticket"],
  ...["id_token", "access_token", "token", "reset_token", "verify_token"],
];

interface CallOptions {
  readonly config?: string;
  readonly timeout: number;
  readonly key?: string;
}

/** `authmq call`. */
export function callCommand(): Command {
  return new Command("call")
    .description("send one request and print the reply")
    .argument("<queue>", "name of the workflow's queue")
    .argument("[json]", "the request, or - to read it from stdin", "{}")
    .addOption(configOption())
    .addOption(
      new Option("--timeout <seconds>", "wait so long for the reply")
        .argParser(seconds)
        .default(10_000, "10"),
    )
    .option(
      "--key <key>",
      "sent as message_id: the same key and request have no second effect for 15 minutes",
    )
    .addHelpText(
      "after",
      `
Exits with 0 for a reply of 2xx, 1 for any other reply, 2 for none.

Examples:
  $ authmq call user_get '{"username":"alice"}'
  $ authmq call login - < login.json      (no password in the list of processes or the shell's history)`,
    )
    .action(async (queue: string, json: string, options: CallOptions) => {
      const config = loadConfig(findConfig(options.config), { keys: false });
      const reply = await call(config, queue, readRequest(json), options);
      const text = JSON.stringify(reply, null, process.stdout.isTTY ? 2 : 0);
      process.stdout.write(`${toPrintable(text)}\n`);
      if (reply.resp_code < 200 || reply.resp_code > 299) throw new ExitError(EXIT_REFUSED);
    });
}

/** The request as JSON text from the command line or from stdin; ends with 2 when it is none. */
export function readRequest(argument: string): string {
  const text = argument === "-" ? readFileSync(0, "utf8") : argument;
  try {
    const request: unknown = JSON.parse(text);
    if (argument !== "-") warnOfSecrets(request);
    return text;
  } catch {
    const where = argument === "-" ? "stdin" : "the request";
    throw new ExitError(EXIT_NO_REPLY, `${where} is not JSON; an example: '{"username":"alice"}'`);
  }
}

/** The process has blanked its command line by now; it stood there for a moment, and stands in the shell's history. */
function warnOfSecrets(request: unknown): void {
  if (typeof request !== "object" || request === null) return;
  const given = new Map<string, unknown>(Object.entries(request));
  const field = SECRET_FIELDS.find((name) => (given.get(name) ?? null) !== null);
  if (field === undefined) return;
  process.stderr.write(
    `authmq: others on this host can read command lines, and ${field} is in this one: ` +
      "give - in its place, and the request on stdin\n",
  );
}

/** The queue on the broker for a workflow's default name; any other name means itself. */
export function queueOnBroker(config: Config, name: string): string {
  return (isQueueName(name) ? config.queues.get(name) : undefined) ?? name;
}

async function call(config: Config, name: string, body: string, { timeout, key }: CallOptions) {
  try {
    await using client = await connectRpc(config.amqp);
    return await client.call(queueOnBroker(config, name), body, timeout, key);
  } catch (error) {
    if (!(error instanceof NoReplyError)) throw error;
    throw new ExitError(EXIT_NO_REPLY, messageOf(error), { cause: error.cause });
  }
}
