import { Command } from "commander";
import { ExitError } from "./exit.ts";
import { loadConfig } from "../config/load.ts";
import { adviceOn, legacyValues } from "../config/py-auth-micro.ts";
import { configOption, findConfig } from "./options.ts";

/** `authmq config check`. */
export function configCommand(): Command {
  const check = new Command("check")
    .description("list every error in the configuration; exit code 0 without errors, else 78")
    .argument("[file]", "configuration file, instead of --config")
    .addOption(configOption())
    .addHelpText(
      "after",
      `
For a configuration of py_auth_micro, the errors say what to write instead; "authmq import-py-auth-micro --write-config"
writes a new one.

Examples:
  $ authmq config check
  $ authmq config check --config /etc/authmq/config.json
  $ authmq config check old.json`,
    )
    .action((file: string | undefined, options: { config?: string }) => {
      if (file !== undefined && options.config !== undefined)
        throw new ExitError(2, "name the configuration once: as argument, or with --config");
      const { origins } = loadConfig(findConfig(file ?? options.config), { keys: true });
      // Values that are valid here, but that have a better form.
      for (const value of legacyValues(origins.given))
        process.stderr.write(`note: ${value.path}: ${adviceOn(value)}\n`);
      process.stdout.write("ok\n");
    });
  return new Command("config").description("check the configuration").addCommand(check);
}
