import { Command, CommanderError } from "commander";
import { ConfigError } from "../config/fault.ts";
import { messageOf } from "../errors.ts";
import { readPackage } from "../schemas/package.ts";
import { ExitError } from "./exit.ts";
import { guardOutput } from "./output.ts";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
const EXIT_CONFIG = 78; // EX_CONFIG of sysexits.h

/** Each command is loaded on demand, because imports take most of the start time. */
export const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ["serve", async () => (await import("./serve.ts")).serveCommand()],
  ["init", async () => (await import("./init.ts")).initCommand()],
  ["migrate", async () => (await import("./migrate.ts")).migrateCommand()],
  ["admin", async () => (await import("./admin.ts")).adminCommand()],
  ["users", async () => (await import("./users.ts")).usersCommand()],
  [
    "import-py-auth-micro",
    async () => (await import("./import-py-auth-micro.ts")).importPyAuthMicroCommand(),
  ],
  ["api-key", async () => (await import("./api-key.ts")).apiKeyCommand()],
  ["call", async () => (await import("./call.ts")).callCommand()],
  ["bench", async () => (await import("./bench.ts")).benchCommand()],
  ["doctor", async () => (await import("./doctor.ts")).doctorCommand()],
  ["config", async () => (await import("./config.ts")).configCommand()],
  ["keys", async () => (await import("./keys.ts")).keysCommand()],
  ["rabbitmq-config", async () => (await import("./rabbitmq-config.ts")).rabbitMqConfigCommand()],
  ["schemas", async () => (await import("./schemas.ts")).schemasCommand()],
]);

/** Runs one command line and returns its exit code; errors are lines on stderr, never stack traces. */
export async function runProgram(args: readonly string[]): Promise<number> {
  const program = new Command("authmq")
    .description("Authentication and authorization for services that communicate over RabbitMQ.")
    .version(readPackage().version)
    .addHelpText(
      "after",
      `
Examples:
  $ authmq init                                        write a configuration and a signing key to this folder
  $ authmq migrate                                     create or update the database schema
  $ authmq admin create root --email root@example.com  create the first administrator
  $ authmq serve                                       run a worker
  $ authmq call login - < login.json                   send one request, read from stdin`,
    );
  const [name = ""] = args;
  const needed = COMMANDS.has(name) ? [name] : [...COMMANDS.keys()];
  for (const command of needed) {
    const load = COMMANDS.get(command);
    if (load !== undefined) program.addCommand(await load());
  }
  prepare(program, "authmq");
  const output = guardOutput();
  try {
    await program.parseAsync(args, { from: "user" });
    return await output.finish();
  } catch (error) {
    await output.finish();
    return report(error);
  }
}

/** Makes commander throw on usage errors instead of ending the process, and show the usage. */
function prepare(command: Command, path: string): void {
  command.exitOverride();
  command.showHelpAfterError(`usage: ${path} ${command.usage()}\n(${path} --help shows examples)`);
  for (const child of command.commands) prepare(child, `${path} ${child.name()}`);
}

function report(error: unknown): number {
  // Commander has already printed the message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (error instanceof ExitError && error.message === "") return error.exitCode;
  const lines = error instanceof ConfigError ? error.message.split("\n") : [withCause(error)];
  for (const line of lines) process.stderr.write(`authmq: ${line}\n`);
  if (error instanceof ConfigError) return EXIT_CONFIG;
  return error instanceof ExitError ? error.exitCode : EXIT_FAILURE;
}

function withCause(error: unknown): string {
  const message = messageOf(error);
  if (!(error instanceof Error) || error.cause === undefined) return message;
  const cause = messageOf(error.cause);
  return message.includes(cause) ? message : `${message} (${cause})`;
}
