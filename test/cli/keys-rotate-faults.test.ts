import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadConfig } from "../../src/config/load.ts";
import { newFolder, runCli } from "../support/cli.ts";
import { edit, install } from "./installation.ts";

describe("a failed keys rotate changes nothing and leaves no files", () => {
  const cases: readonly [what: string, args: string[], message: RegExp, code: number, prepare: Prepare][] = [
    [
      "if the environment overrides keys",
      [],
      /AUTHMQ__JWT_CREATION__SECRET__TYPE overrides the file/,
      1,
      () => ({ AUTHMQ__JWT_CREATION__SECRET__TYPE: "keyfile" }),
    ],
    [
      "if the environment overrides keys in lower case",
      [],
      /AUTHMQ__jwt_creation__audience overrides the file/,
      1,
      () => ({ AUTHMQ__jwt_creation__audience: "orders" }),
    ],
    [
      "if the environment has other issuers",
      [],
      /AUTHMQ__JWT_VALIDATION overrides the file/,
      1,
      () => ({ AUTHMQ__JWT_VALIDATION: "[]" }),
    ],
    [
      "if another rotation is running",
      [],
      /config\.json\.lock exists: another rotation is running, or was killed; remove the file if none is running/,
      1,
      (cwd) => writeFileSync(join(cwd, "config.json.lock"), ""),
    ],
    [
      "if the configuration is invalid",
      [],
      /nonsense: unknown section/,
      78,
      (cwd) => edit(join(cwd, "config.json"), (config) => ({ ...config, nonsense: {} })),
    ],
    [
      "if there is no key yet",
      [],
      /jwt_creation/,
      78,
      (cwd) => edit(join(cwd, "config.json"), (config) => ({ ...config, jwt_creation: undefined })),
    ],
    [
      "if the new configuration would be invalid",
      ["--alg", "HS256"],
      /broker_settings: cannot be used with HS256/,
      78,
      (cwd) =>
        edit(join(cwd, "config.json"), (config) => ({
          ...config,
          broker_settings: { scopes: { "*": ["read:*"] } },
        })),
    ],
  ];
  for (const [what, args, message, code, prepare] of cases) {
    test(what, async () => {
      const { cwd, file } = await install();
      const env = prepare(cwd) ?? {};
      const [before, names] = [readFileSync(file, "utf8"), readdirSync(cwd)];
      const ended = await runCli(["keys", "rotate", "--now", ...args], { cwd, env });
      assert.equal(ended.code, code, ended.stderr);
      assert.match(ended.stderr, message);
      assert.doesNotMatch(ended.stderr, /^\s+at /m);
      assert.equal(ended.stdout, "");
      assert.equal(readFileSync(file, "utf8"), before);
      assert.deepEqual(readdirSync(cwd), names);
    });
  }

  test("if there is no configuration", async () => {
    const cwd = newFolder();
    const { code, stderr } = await runCli(["keys", "rotate"], { cwd });
    assert.equal(code, 1);
    assert.match(stderr, /there is no configuration file to edit: write one with "authmq init"/);
    const missing = await runCli(["keys", "rotate", "--config", join(cwd, "none", "config.json")], { cwd });
    assert.equal(missing.code, 1);
    assert.deepEqual(readdirSync(cwd), []);
  });

  test("if its folder is not writable", {
    skip: process.getuid?.() === 0 && "root may write anywhere",
  }, async () => {
    const { cwd, file } = await install();
    const before = readFileSync(file, "utf8");
    chmodSync(cwd, 0o500);
    const { code, stderr } = await runCli(["keys", "rotate"], { cwd });
    chmodSync(cwd, 0o700);
    assert.equal(code, 1);
    assert.match(stderr, /cannot write next to the configuration/);
    assert.equal(readFileSync(file, "utf8"), before);
  });

  for (const [what, disk] of [
    ["if a key cannot be written", fullDiskAt("chownSync", "/\\.pub\\.pem$/")],
    ["if a key is written only in part", fullDiskAt("writeFileSync", "/\\.pem$/")],
  ] as const)
    test(what, async () => {
      const { cwd, file } = await install();
      const before = readFileSync(file, "utf8");
      const ended = await runCli(["keys", "rotate"], { cwd, node: ["--import", disk] });
      assert.equal(ended.code, 1);
      assert.match(ended.stderr, /ENOSPC/);
      assert.equal(readFileSync(file, "utf8"), before);
      assert.deepEqual(
        readdirSync(cwd).filter((name) => /lock|signing-key-/.test(name)),
        [],
      );
      assert.equal(loadConfig(file, { keys: true, env: {} }).signing?.method, "EdDSA");
    });
});

type Prepare = (cwd: string) => Record<string, string> | void;

/** A module that makes a step on matching files fail after it ran, like a full disk. */
function fullDiskAt(step: "chownSync" | "writeFileSync", path: string): string {
  return `data:text/javascript,${encodeURIComponent(`
    import fs from "node:fs";
    import { syncBuiltinESMExports } from "node:module";
    const { ${step}: original } = fs;
    fs.${step} = (path, ...more) => {
      original(path, ...more);
      if (${path}.test(path)) throw new Error("ENOSPC: no space left on device");
    };
    syncBuiltinESMExports();
  `)}`;
}
