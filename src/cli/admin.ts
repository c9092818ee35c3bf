import { Command } from "commander";
import { z } from "zod";
import { createAccount } from "../accounts/create.ts";
import { addMember, createGroup } from "../accounts/membership.ts";
import { createPasswords } from "../auth/password.ts";
import { loadConfig } from "../config/load.ts";
import { inTransaction } from "../db/transaction.ts";
import { containsUsername, email, newPassword, omitsUsername, username } from "../procedures/fields.ts";
import { ExitError } from "./exit.ts";
import { openMigratedDatabase } from "./open-database.ts";
import { configOption, findConfig } from "./options.ts";
import { readPassword } from "./password-prompt.ts";

/** `authmq admin create`. */
export function adminCommand(): Command {
  const create = new Command("create")
    .description("create an administrator directly in the database")
    .argument("<username>", "name of the administrator")
    .requiredOption("--email <address>", "email address of the administrator")
    .addOption(configOption())
    .addHelpText(
      "after",
      `
Reads the password from a prompt, or from the first line of stdin; never from the command line.

Examples:
  $ authmq admin create root --email root@example.com
  $ authmq admin create root --email root@example.com < password.txt`,
    )
    .action((name: string, options: { email: string; config?: string }) => createAdmin(name, options));
  return new Command("admin").description("manage administrators").addCommand(create);
}

async function createAdmin(name: string, options: { email: string; config?: string }): Promise<void> {
  const { app, db } = loadConfig(findConfig(options.config), { keys: false });
  const fields = z
    .object({ username: username(app), email: email(app), password: newPassword(app) })
    .refine(omitsUsername, containsUsername);
  const { data: user, error } = fields.safeParse({
    username: name,
    email: options.email,
    password: await readPassword(),
  });
  if (error !== undefined) {
    throw new ExitError(
      1,
      error.issues.map(({ path, message }) => `${path.join(".")} ${message}`).join("; "),
    );
  }
  await using database = await openMigratedDatabase(db);
  const password_hash = await createPasswords(app).hash(user.password, () => false);
  const { username: newName, email: address } = user;
  const row = {
    username: newName,
    email: address,
    password_hash,
    auth_type: "LOCAL",
    activated: true,
  } as const;
  await inTransaction(database, async (trx) => {
    const writer = { trx, actor: null };
    await createGroup(writer, app.admin_group);
    const outcome = await createAccount(writer, row);
    if (outcome !== "created") {
      const what = outcome === "username taken" ? `username ${newName}` : `email address ${address}`;
      throw new ExitError(1, `the ${what} is taken`);
    }
    await addMember(writer, app.admin_group, newName);
  });
  process.stderr.write(`created ${user.username} in the group ${app.admin_group}\n`);
}
