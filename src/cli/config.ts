import { Command } from "commander";
import { loadConfig } from "../config/load.ts";
import { configOption, findConfig } from "./options.ts";

/** `authmq config check`. */
export function configCommand(): Command {
  const check = new Command("check")
    .description("list every error in the configuration; exit code 0 without errors, else 78")
    .addOption(configOption())
    .addHelpText(
      "after",
      "\nExamples:\n  $ authmq config check\n  $ authmq config check --config /etc/authmq/config.json",
    )
    .action((options: { config?: string }) => {
      loadConfig(findConfig(options.config), { keys: true });
      process.stdout.write("ok\n");
    });
  return new Command("config").description("check the configuration").addCommand(check);
}
