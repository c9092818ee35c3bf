import assert from "node:assert/strict";
import { parseConfig } from "../../src/config/load.ts";
import { migrate } from "../../src/db/migrate.ts";
import { folderWith, runCli } from "./cli.ts";
import { scratchFolder } from "./scratch-folder.ts";
import { type DatabaseKind, provision } from "./worker.ts";

type Raw = Record<string, Record<string, unknown>>;

interface Finding {
  readonly subject: string;
  readonly status: "ok" | "warn" | "fail";
  readonly msg: string;
  readonly advice?: string;
}

/** The exit code and the findings of `authmq doctor`. */
export interface Diagnosis {
  readonly code: number | null;
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  /** The findings on one subject, one per line: `status: msg`, followed by ` | advice` if there is any. */
  readonly of: (subject: string) => string;
}

/** An installation with a migrated database, on which doctor runs with changed settings. */
export interface DoctorInstallation extends AsyncDisposable {
  readonly raw: Raw;
  diagnose(changes?: Raw): Promise<Diagnosis>;
}

const SECRETS = [
  ["amqp_settings", "password"],
  ["db_settings", "password"],
  ["ldap_settings", "bind_password"],
] as const;

/** Runs `authmq doctor --json` on a configuration, and asserts that the output contains no password of it. */
export async function diagnose(raw: Raw): Promise<Diagnosis> {
  const { code, stdout, stderr } = await runCli(["doctor", "--json"], { cwd: folderWith(raw) });
  assert.equal(stderr, "");
  const secret = raw["jwt_creation"]?.["secret"] as { value: string } | undefined;
  const secrets = [secret?.value, ...SECRETS.map(([section, key]) => raw[section]?.[key])];
  for (const password of secrets.filter((one) => typeof one === "string")) {
    // The test broker may have a user whose password is its name.
    if (password !== raw["amqp_settings"]?.["username"])
      assert.ok(!stdout.includes(password), stdout.replaceAll(password, "..."));
  }
  const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Finding[] };
  return {
    code,
    ok,
    findings,
    of: (subject) =>
      findings
        .filter((finding) => finding.subject === subject)
        .map(({ status, msg, advice }) => `${status}: ${msg}${advice === undefined ? "" : ` | ${advice}`}`)
        .join("\n"),
  };
}

/** Creates an installation with its own vhost and database; no worker runs. */
export async function installForDoctor(database: DatabaseKind = "sqlite"): Promise<DoctorInstallation> {
  const { raw, cleanUp } = await provision({ database });
  await migrate(parseConfig(raw, { keys: false, env: {}, folder: scratchFolder }).db);
  return {
    raw,
    diagnose(changes = {}) {
      const changed = { ...raw };
      for (const [section, keys] of Object.entries(changes)) changed[section] = { ...raw[section], ...keys };
      return diagnose(changed);
    },
    [Symbol.asyncDispose]: cleanUp,
  };
}
