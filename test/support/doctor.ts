import assert from "node:assert/strict";
import { folderWith, runCli } from "./cli.ts";
import { type DatabaseKind, provision } from "./worker.ts";

type Raw = Record<string, Record<string, unknown>>;

interface Finding {
  readonly subject: string;
  readonly status: "ok" | "warn" | "fail";
  readonly msg: string;
  readonly advice?: string;
}

/** How `authmq doctor` ended, and what it found. */
export interface Diagnosis {
  readonly code: number | null;
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  /** The findings on one subject, a line each: `status: msg` and, where there is any, ` | advice`. */
  readonly of: (subject: string) => string;
}

/** A database at the current schema, and what doctor says of it with keys laid over its configuration. */
export interface DoctorInstallation extends AsyncDisposable {
  readonly raw: Raw;
  diagnose(changes?: Raw): Promise<Diagnosis>;
}

const SECRETS = [
  ["amqp_settings", "password"],
  ["db_settings", "password"],
  ["ldap_settings", "bind_password"],
] as const;

/** Runs `authmq doctor --json` on a configuration, and asserts that no password of it is in the answer. */
export async function diagnose(raw: Raw): Promise<Diagnosis> {
  const { code, stdout, stderr } = await runCli(["doctor", "--json"], { cwd: folderWith(raw) });
  assert.equal(stderr, "");
  const secret = raw["jwt_creation"]?.["secret"] as { value: string } | undefined;
  const secrets = [secret?.value, ...SECRETS.map(([section, key]) => raw[section]?.[key])];
  for (const password of secrets.filter((one) => typeof one === "string")) {
    // The broker of a run may know its user by a password that is the name.
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

/** Makes an installation with a broker's vhost and a database of its own; no worker runs. */
export async function installForDoctor(database: DatabaseKind = "sqlite"): Promise<DoctorInstallation> {
  const { raw, cleanUp } = await provision({ database });
  assert.equal((await runCli(["migrate"], { cwd: folderWith(raw) })).code, 0);
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
