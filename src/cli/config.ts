import { Command } from "commander";
import { loadConfig } from "../config/load.ts";
import { configOption, findConfig } from "./options.ts";

/** `authmq config check`. */
export function configCommand(): Command {
  const check = new Command("check")
    .description("exit with 0, or with 78 and every fault of the configuration")
    .addOption(configOption())
    .addHelpText(
      "after",
      "\nExamples:\n  $ authmq config check\n  $ authmq config check --config /etc/authmq/config.json",
    )
    .action((options: { config?: string }) => {
      loadConfig(findConfig(options.config), { keys: true });
      process.stdout.write("ok\n");
    });
  return new Command("config").description("look at the configuration").addCommand(check);
}
