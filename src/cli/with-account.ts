import type { AppConfig } from "../config/schema.ts";
import { loadConfig } from "../config/load.ts";
import type { Database } from "../db/database.ts";
import { findUser } from "../db/queries/users.ts";
import type { UserRow } from "../db/tables.ts";
import { ExitError } from "./exit.ts";
import { openMigratedDatabase } from "./open-database.ts";
import { findConfig } from "./options.ts";

/** Opens the configured database for work on an account; throws ExitError (1) if there is none of this name. */
export async function withAccount(
  username: string,
  config: string | undefined,
  work: (database: Database, account: UserRow, app: AppConfig) => Promise<void>,
): Promise<void> {
  const { app, db } = loadConfig(findConfig(config), { keys: false });
  await using database = await openMigratedDatabase(db);
  const account = await findUser(database, username.normalize("NFC"));
  if (account === undefined) throw new ExitError(1, `there is no account ${username}`);
  await work(database, account, app);
}
