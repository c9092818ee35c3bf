import { Command } from "commander";
import { loadConfig } from "../config/load.ts";
import { openDatabase } from "../db/database.ts";
import { migrate, migrationStates, usableSchema } from "../db/migrate.ts";
import { configOption, findConfig } from "./options.ts";

/** `authmq migrate`. */
export function migrateCommand(): Command {
  return new Command("migrate")
    .description("create the database schema or update it to this version")
    .addOption(configOption())
    .option("--status", "only list the migrations and when they were applied")
    .addHelpText(
      "after",
      `
Safe to run repeatedly, and on several hosts at the same time. Leaves a database unchanged that a later version has
migrated; this version can use it unless the later version excludes that. Refuses another application's database.

Examples:
  $ authmq migrate
  $ authmq migrate --status`,
    )
    .action(async (options: { config?: string; status?: true }) => {
      const { db } = loadConfig(findConfig(options.config), { keys: false });
      if (options.status !== true) {
        const { applied, newer } = await migrate(db);
        process.stdout.write(applied.map((name) => `applied ${name}\n`).join(""));
        process.stdout.write(newer.map((name) => `kept ${name}, which a later version applied\n`).join(""));
        if (applied.length === 0) process.stdout.write("up to date\n");
        return;
      }
      await using database = openDatabase(db);
      const { newer } = await usableSchema(database, db);
      for (const { name, appliedAt } of await migrationStates(database)) {
        process.stdout.write(
          `${name} ${appliedAt === undefined ? "pending" : `applied ${appliedAt.toISOString()}`}\n`,
        );
      }
      process.stdout.write(newer.map((name) => `${name} applied by a later version\n`).join(""));
    });
}
