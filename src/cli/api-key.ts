import { randomBytes } from "node:crypto";
import { Command } from "commander";
import type { z } from "zod";
import { createApiKey, newApiKey, revokeApiKey } from "../accounts/api-keys.ts";
import type { AppConfig } from "../config/schema.ts";
import { listApiKeysOf } from "../db/queries/api-keys.ts";
import { readRowId } from "../db/row-id.ts";
import { inTransaction } from "../db/transaction.ts";
import { describeApiKey } from "../procedures/api/key-all.ts";
import { apiKeyCreate } from "../procedures/api/key-create.ts";
import { formatApiKey } from "../tokens/api-key.ts";
import { ExitError } from "./exit.ts";
import { configOption } from "./options.ts";
import { withAccount } from "./with-account.ts";

interface CreateOptions {
  readonly config?: string;
  readonly name: string;
  readonly group?: readonly string[];
  readonly expiresIn?: string;
  readonly vhost?: string;
}

/** `authmq api-key create`, `list` and `revoke`. */
export function apiKeyCommand(): Command {
  return new Command("api-key")
    .description("manage API keys of accounts directly in the database")
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(revokeCommand());
}

function createCommand(): Command {
  const collect = (group: string, groups: readonly string[] = []): readonly string[] => [...groups, group];
  return new Command("create")
    .description("create an API key for an account, and print it")
    .argument("<username>", "name of the account")
    .requiredOption("--name <name>", "what the key is for")
    .option("--group <group>", "only this of the account's groups; may be repeated (default: all)", collect)
    .option("--expires-in <seconds>", "lifetime of the key (default: it never expires)")
    .option("--vhost <vhost>", "vhost of the access tokens (default: default_vhost)")
    .addOption(configOption())
    .addHelpText(
      "after",
      `
Prints the key alone on stdout. It cannot be read again.

Examples:
  $ (umask 077; authmq api-key create invoices --name production > invoices.key)
  $ authmq api-key create invoices --name test --group billing --expires-in 86400`,
    )
    .action(createKey);
}

function listCommand(): Command {
  return new Command("list")
    .description("list the API keys of an account, without the keys themselves")
    .argument("<username>", "name of the account")
    .option("--json", "print JSON")
    .addOption(configOption())
    .addHelpText("after", "\nExample:\n  $ authmq api-key list invoices")
    .action(listKeys);
}

function revokeCommand(): Command {
  return new Command("revoke")
    .description("revoke an API key")
    .argument("<username>", "name of the account")
    .argument("<id>", "id of the key, as printed by list")
    .addOption(configOption())
    .addHelpText("after", "\nExample:\n  $ authmq api-key revoke invoices 2885681152351682560")
    .action(revokeKey);
}

async function createKey(username: string, options: CreateOptions): Promise<void> {
  await withAccount(username, options.config, async (database, account, app) => {
    const input = parseInput(app, options);
    const api_key = formatApiKey(randomBytes(32));
    const key = newApiKey(api_key, input);
    const outcome = await inTransaction(database, (trx) => createApiKey({ trx, actor: null }, account, key));
    if (outcome === "too many") throw new ExitError(1, `${account.username} has 20 API keys: revoke one`);
    if (outcome !== "created") throw new ExitError(1, `there is no account ${username}`);
    process.stdout.write(`${api_key}\n`);
    process.stderr.write(`created the API key ${key.id} of ${account.username}\n`);
  });
}

async function listKeys(username: string, options: { json?: boolean; config?: string }): Promise<void> {
  await withAccount(username, options.config, async (database, account) => {
    const keys = (await listApiKeysOf(database, account.username)).map(describeApiKey);
    if (options.json === true) process.stdout.write(`${JSON.stringify(keys, null, 2)}\n`);
    else
      for (const { id, name, groups, vhost, expires_at, last_use } of keys)
        process.stdout.write(
          `${id}  ${name}  groups: ${groups?.join(", ") ?? "all"}  vhost: ${vhost}  ` +
            `expires: ${expires_at ?? "never"}  last use: ${last_use ?? "never"}\n`,
        );
    if (keys.length === 0) process.stderr.write(`${account.username} has no API keys\n`);
  });
}

async function revokeKey(username: string, id: string, options: { config?: string }): Promise<void> {
  await withAccount(username, options.config, async (database, account) => {
    const number = readRowId(id);
    const isRevoked =
      number !== undefined &&
      (await inTransaction(database, (trx) => revokeApiKey({ trx, actor: null }, account.username, number)));
    if (!isRevoked)
      throw new ExitError(
        1,
        `${account.username} has no API key ${id}: "authmq api-key list ${account.username}" shows its keys`,
      );
    process.stderr.write(`revoked the API key ${id} of ${account.username}\n`);
  });
}

type Input = Omit<z.output<ReturnType<typeof apiKeyCreate.input>>, "username">;

/** The same rules as `api_key_create`; the name of an existing account needs to match no pattern. */
function parseInput(app: AppConfig, options: CreateOptions): Input {
  const { name, group, expiresIn, vhost } = options;
  const { data, error } = apiKeyCreate
    .input(app)
    .omit({ username: true })
    .safeParse({
      name,
      groups: group,
      expires_in: expiresIn === undefined ? undefined : Number(expiresIn),
      vhost,
    });
  if (error === undefined) return data;
  const faults = error.issues.map(({ path, message }) => `${path.join(".").replace("_", "-")} ${message}`);
  throw new ExitError(1, faults.join("; "));
}
