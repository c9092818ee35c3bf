import assert from "node:assert/strict";
import { test } from "node:test";
import { runCli } from "../support/cli.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { installFactors, newEncryptionKey } from "./encrypted-factors.ts";

/** The variables that set a section, or a part of one. */
function variablesOf(path: string, value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { [`AUTHMQ__${path.toUpperCase()}`]: typeof value === "string" ? value : JSON.stringify(value) };
  const parts = Object.entries(value).flatMap(([key, part]) =>
    Object.entries(variablesOf(`${path}__${key}`, part)),
  );
  return Object.fromEntries(parts);
}

test("--rows-only takes the keys from variables, with and without a configuration file", async () => {
  const [first, second] = [newEncryptionKey(), newEncryptionKey()];
  await using installed = await installFactors("sqlite", { active: first.setting });
  await installed.add(3, first.key);
  const env = variablesOf("encryption_keys", { active: second.setting, retiring: [first.setting] });
  const rows = ["keys", "rotate", "--secrets", "--rows-only"];
  const { code, stdout, stderr } = await runCli(rows, { cwd: installed.cwd, env });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^3 secrets are now encrypted with the active key\n/);
  assert.deepEqual(await installed.counts(), { [second.id]: 3 });
  const without = await runCli(rows, {
    cwd: scratchFolder,
    env: {
      ...env,
      ...variablesOf("db_settings", installed.raw["db_settings"]),
      ...variablesOf("jwt_creation", installed.raw["jwt_creation"]),
    },
  });
  assert.equal(without.code, 0, without.stderr);
  assert.match(without.stdout, /^0 secrets are now encrypted with the active key\n/);
});
