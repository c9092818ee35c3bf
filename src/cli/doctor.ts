import { Command } from "commander";
import { type Config, loadConfig } from "../config/load.ts";
import { brokerFindings } from "./doctor/broker.ts";
import { certificateFindings } from "./doctor/certificates.ts";
import { configurationFindings } from "./doctor/configuration.ts";
import { databaseFindings } from "./doctor/database.ts";
import { directoryFindings } from "./doctor/directory.ts";
import type { Finding } from "./doctor/finding.ts";
import { kerberosFindings } from "./doctor/kerberos.ts";
import { keyFindings } from "./doctor/keys.ts";
import { ExitError } from "./exit.ts";
import { configOption, findConfig } from "./options.ts";

const LABELS = { ok: "ok", warn: "warn", fail: "FAIL" } as const;

/** `authmq doctor`. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("check the installation: what works, what fails, and how to fix it")
    .addOption(configOption())
    .option("--json", "print the findings as JSON")
    .addHelpText(
      "after",
      `
Connects to the configured broker, database, directory and KDC, and changes nothing. Run it on the worker's host as the
worker's user. Exit codes: 0 if no check failed, else 1. Warnings do not count as failures.

Examples:
  $ authmq doctor
  $ authmq doctor --config /etc/authmq/config.json --json`,
    )
    .action(async (options: { config?: string; json?: true }) => {
      const file = findConfig(options.config);
      const findings = await examine(file, loadConfig(file, { keys: true }));
      const ok = findings.every(({ status }) => status !== "fail");
      process.stdout.write(
        options.json === true ? `${JSON.stringify({ ok, findings })}\n` : describe(findings),
      );
      if (!ok) throw new ExitError(1);
    });
}

/** Runs all checks concurrently; each has its own deadline. */
async function examine(file: string | undefined, config: Config): Promise<Finding[]> {
  const findings = await Promise.all([
    keyFindings(file, config),
    brokerFindings(config),
    databaseFindings(config),
    directoryFindings(config.directory, config.app),
    kerberosFindings(config.kerberos),
    certificateFindings(file, config),
  ]);
  return [...configurationFindings(file, config.origins), ...findings.flat()];
}

function describe(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  const lines = findings.map(({ subject, status, msg, advice }) => {
    const text = advice === undefined ? msg : `${msg}. ${advice}`;
    // Texts of servers may contain line breaks or terminal escapes.
    return `${LABELS[status].padEnd(4)}  ${subject.padEnd(width)}  ${text.replaceAll(/[\s\p{Cc}]+/gu, " ")}`;
  });
  const count = (status: Finding["status"]): number =>
    findings.filter((finding) => finding.status === status).length;
  const warnings = count("warn");
  const summary = `${count("ok")} ok, ${warnings} warning${warnings === 1 ? "" : "s"}, ${count("fail")} failed`;
  return `${[...lines, summary].join("\n")}\n`;
}
