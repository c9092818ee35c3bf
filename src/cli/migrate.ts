import { Command } from "commander";
import { loadConfig } from "../config/load.ts";
import { openDatabase } from "../db/database.ts";
import { migrate, migrationStates } from "../db/migrate.ts";
import { configOption, findConfig } from "./options.ts";

/** `authmq migrate`. */
export function migrateCommand(): Command {
  return new Command("migrate")
    .description("bring the database to the current schema")
    .addOption(configOption())
    .option("--status", "only list the migrations and when they were applied")
    .addHelpText(
      "after",
      "\nSafe to run twice, and at once from several hosts.\n\nExamples:\n  $ authmq migrate\n  $ authmq migrate --status",
    )
    .action(async (options: { config?: string; status?: true }) => {
      const { db } = loadConfig(findConfig(options.config), { keys: false });
      if (options.status !== true) {
        const applied = await migrate(db);
        process.stdout.write(
          applied.length === 0 ? "up to date\n" : applied.map((name) => `applied ${name}\n`).join(""),
        );
        return;
      }
      await using database = openDatabase(db);
      for (const { name, appliedAt } of await migrationStates(database)) {
        process.stdout.write(
          `${name} ${appliedAt === undefined ? "pending" : `applied ${appliedAt.toISOString()}`}\n`,
        );
      }
    });
}
