import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { serveCommand } from "../src/cli/serve.ts";
import { overlayEnvironment } from "../src/config/environment.ts";
import { Faults } from "../src/config/fault.ts";
import { constantIn } from "./support/constant.ts";

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

const VERIFIER = "systemd-analyze";

const unit = read("docs/systemd/authmq@.service");

/** The values of a key in the unit, one for each line. */
const all = (key: string): string[] =>
  Array.from(unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm")), ([, value = ""]) => value);

/** The value of a key that the unit has once. */
function one(key: string): string {
  const values = all(key);
  assert.equal(values.length, 1, key);
  return values[0] ?? "";
}

const variables = Object.fromEntries(
  all("Environment").map((text) => {
    const [, name = "", value = ""] = /^(\w+)=(.*)$/.exec(text) ?? assert.fail(text);
    return [name, value];
  }),
);

const exitCodes = (key: string): string[] => one(key).split(" ");

test("systemd-analyze verifies the unit without warnings", {
  skip: spawnSync(VERIFIER, ["--version"]).error !== undefined && `${VERIFIER} is missing`,
}, () => {
  const folder = mkdtempSync(join(tmpdir(), "authmq-systemd-"));
  try {
    const file = join(folder, "authmq@9464.service");
    // authmq need not be installed on this machine.
    writeFileSync(file, unit.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
    const { status, stdout, stderr } = spawnSync(VERIFIER, ["verify", "--man=no", file], {
      encoding: "utf8",
    });
    assert.deepEqual([status, stdout, stderr], [0, "", ""]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the unit runs a command of this package with options that it has", () => {
  const [program = "", name, ...args] = one("ExecStart").split(" ");
  const { bin } = JSON.parse(read("package.json")) as { bin: Record<string, string> };
  assert.ok(basename(program) in bin, program);
  const command = serveCommand();
  assert.equal(name, command.name());
  const known = command.options.filter(({ hidden }) => !hidden).map(({ long }) => long);
  const given = args.filter((arg) => arg.startsWith("--"));
  assert.deepEqual(given, ["--config"]);
  for (const option of given) assert.ok(known.includes(option), option);
});

test("its variables name settings of the configuration, and the instance sets the port", () => {
  const own = Object.entries(variables).filter(([name]) => name.startsWith("AUTHMQ__"));
  const env = own.map(([name, value]) => [name.replace(/_FILE$/, ""), value.replace("%i", "9464")]);
  const errors = new Faults();
  const { raw } = overlayEnvironment({}, Object.fromEntries(env) as Record<string, string>, errors);
  assert.deepEqual(errors.list(), []);
  assert.deepEqual(raw["health_settings"], { port: 9464 });
});

test("its passwords are credentials, and no other variable contains a secret", () => {
  const loaded = all("LoadCredential").map((text) => text.split(":")[0]);
  const used = Object.entries(variables).filter(([name]) => /PASSWORD|SECRET/.test(name));
  assert.deepEqual(
    used.map(([name, value]) => [name.endsWith("_FILE"), value]),
    loaded.map((name) => [true, `%d/${name}`]),
  );
});

test("it restarts after exit codes of operations.md that a restart may fix, and only then", () => {
  assert.equal(one("Restart"), "on-failure");
  const operations = read("docs/operations.md");
  const meaning = (code: string) => new RegExp(`^\\| ${code} \\| (.*)`, "m").exec(operations)?.[1] ?? "";
  assert.deepEqual(exitCodes("RestartPreventExitStatus"), ["2", "78"]);
  assert.match(meaning("2"), /^the command line is wrong/);
  assert.match(meaning("78"), /^the configuration is wrong/);
  assert.deepEqual(exitCodes("SuccessExitStatus"), ["130"]);
  assert.match(meaning("130"), /^`serve` was ended by a second signal/);
});

test("it sends signals that a worker handles, to the worker, and waits longer than a stop takes", () => {
  assert.equal(one("ExecReload"), "/bin/kill -HUP $MAINPID");
  assert.match(read("src/cli/serve/reload.ts"), /process\.on\("SIGHUP"/);
  assert.equal(one("KillSignal"), "SIGTERM");
  assert.match(read("src/cli/serve/signals.ts"), /process\.on\("SIGTERM"/);
  assert.equal(one("KillMode"), "mixed");
  const drain = constantIn("src/worker.ts", "GRACE");
  const timeout = one("TimeoutStopSec");
  assert.ok(Number(timeout) * 1000 >= 2 * drain, `${timeout} s, ${drain} ms`);
});

test("no replica runs as root, gains privileges, or writes outside its own folder", () => {
  assert.notEqual(one("User"), "root");
  for (const key of ["NoNewPrivileges", "PrivateDevices", "PrivateTmp", "ProtectHome", "RestrictNamespaces"])
    assert.equal(one(key), "yes", key);
  assert.equal(one("ProtectSystem"), "strict");
  assert.equal(one("CapabilityBoundingSet"), "");
  assert.equal(one("StateDirectory"), "authmq");
  // V8 could not run with it.
  assert.deepEqual(all("MemoryDenyWriteExecute"), []);
});
