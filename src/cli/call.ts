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
import { askForFactor } from "./second-factor-prompt.ts";

const EXIT_REFUSED = 1;
const EXIT_NO_REPLY = 2;

/** Fields that other users of this host must not read. */
const SECRET_FIELDS = [
  ...["password", "password_confirm", "kerberos_ticket"],
  ...["id_token", "access_token", "token", "reset_token", "verify_token", "api_key", "setup_token"],
  ...["challenge", "totp", "recovery_code"],
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
    .argument("<queue>", "queue name, for example user_get")
    .argument("[json]", "request body, or - to read it from stdin", "{}")
    .addOption(configOption())
    .addOption(
      new Option("--timeout <seconds>", "timeout for the reply").argParser(seconds).default(10_000, "10"),
    )
    .option(
      "--key <key>",
      "idempotency key (message_id): a retry with the same key and request has no second effect for 15 minutes",
    )
    .addHelpText(
      "after",
      `
Exit codes: 0 for a 2xx reply, 1 for any other reply, 2 for no reply.
On a terminal, a login that needs a second factor asks for the code.

Examples:
  $ authmq call user_get '{"username":"alice"}'
  $ authmq call login - < login.json      (keeps the password out of the process list and the shell history)`,
    )
    .action(async (queue: string, json: string, options: CallOptions) => {
      const config = loadConfig(findConfig(options.config), { keys: false });
      const reply = await call(config, queue, readRequest(json), options);
      const text = JSON.stringify(reply, null, process.stdout.isTTY ? 2 : 0);
      process.stdout.write(`${toPrintable(text)}\n`);
      if (reply.resp_code < 200 || reply.resp_code > 299) throw new ExitError(EXIT_REFUSED);
    });
}

/** The request as JSON text, from the command line or from stdin; throws ExitError (2) for invalid JSON. */
export function readRequest(argument: string): string {
  const text = argument === "-" ? readFileSync(0, "utf8") : argument;
  try {
    const request: unknown = JSON.parse(text);
    if (argument !== "-") warnOfSecrets(request);
    return text;
  } catch {
    const where = argument === "-" ? "stdin" : "the request";
    throw new ExitError(EXIT_NO_REPLY, `${where} is not valid JSON; example: '{"username":"alice"}'`);
  }
}

/** Warns although cli.ts has overwritten the command line: it was visible for a moment, and is in the shell history. */
function warnOfSecrets(request: unknown): void {
  if (typeof request !== "object" || request === null) return;
  const given = new Map<string, unknown>(Object.entries(request));
  const field = SECRET_FIELDS.find((name) => (given.get(name) ?? null) !== null);
  if (field === undefined) return;
  process.stderr.write(
    `authmq: other users of this host can read command lines, and this one contains ${field}: ` +
      "pass - and send the request on stdin\n",
  );
}

/** Maps a default queue name to the configured name (queue_settings); any other name stays as it is. */
export function queueOnBroker(config: Config, name: string): string {
  return (isQueueName(name) ? config.queues.get(name) : undefined) ?? name;
}

async function call(config: Config, name: string, body: string, { timeout, key }: CallOptions) {
  try {
    await using client = await connectRpc(config.amqp);
    const reply = await client.call(queueOnBroker(config, name), body, timeout, key);
    const answer = await askForFactor(reply);
    if (answer === undefined) return reply;
    const next = JSON.stringify({ ...answer, ...addressIn(body) });
    return await client.call(queueOnBroker(config, "login_continue"), next, timeout);
  } catch (error) {
    if (!(error instanceof NoReplyError)) throw error;
    throw new ExitError(EXIT_NO_REPLY, messageOf(error), { cause: error.cause });
  }
}

/** The client address of a login, to which its challenge is bound. */
function addressIn(body: string): { ip?: unknown } {
  const { ip } = JSON.parse(body) as { ip?: unknown }; // it asked for a second factor, so it was an object
  return ip === undefined ? {} : { ip };
}
