import { existsSync } from "node:fs";
import { InvalidArgumentError, Option } from "commander";

/** The `--config FILE` of most commands. */
export function configOption(): Option {
  return new Option(
    "--config <file>",
    "configuration file (default: $AUTHMQ_CONFIG, ./config.json, built-in defaults)",
  );
}

/** The configuration file to use; undefined means the built-in defaults. */
export function findConfig(given: string | undefined): string | undefined {
  const file = given ?? process.env["AUTHMQ_CONFIG"];
  if (file !== undefined && file !== "") return file;
  return existsSync("config.json") ? "config.json" : undefined;
}

/** A whole number above zero from the command line. */
export function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("It must be a whole number above 0.");
  return Number(text);
}

/** A number of seconds above zero from the command line, in milliseconds. */
export function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value > 0 && value <= 86_400))
    throw new InvalidArgumentError("It must be a number of seconds above 0, at most 86400.");
  return Math.ceil(value * 1000);
}
