import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { programOf } from "../support/servers/sources.ts";

const run = promisify(execFile);

/** Runs rabbitmqctl on the node with this process id, with the environment of the node. */
export async function control(pid: number, ...words: readonly string[]): Promise<void> {
  const entries = readFileSync(`/proc/${pid}/environ`, "utf8")
    .split("\0")
    .filter((entry) => entry.includes("="))
    .map((entry): [string, string] => {
      const [name = "", ...rest] = entry.split("=");
      return [name, rest.join("=")];
    });
  const [command, args] = programOf("rabbitmq", "/usr/lib/rabbitmq/bin/rabbitmqctl", words);
  await run(command, args, { env: Object.fromEntries(entries), timeout: 120_000 });
}
