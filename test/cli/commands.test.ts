import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Command } from "commander";
import { COMMANDS } from "../../src/cli/program.ts";
import { parseConfig } from "../../src/config/load.ts";
import { SIGN_METHODS } from "../../src/config/sections/jwt.ts";
import { openDatabase } from "../../src/db/database.ts";
import { folderWith, newFolder, runCli } from "../support/cli.ts";
import { DATABASES, provision } from "../support/worker.ts";

const NO_TRACE = /^\s+at .*[:(]/m;

test("init writes a configuration and keys that other users cannot read, and overwrites nothing", async () => {
  const folder = newFolder();
  const first = await runCli(["init", "sub"], { cwd: folder });
  assert.deepEqual([first.code, first.stdout.trim().split("\n").length], [0, 5]);
  for (const name of ["config.json", "signing-key.pem", "encryption-key.txt"]) {
    assert.equal(statSync(join(folder, "sub", name)).mode & 0o777, 0o600, name);
  }
  const before = readFileSync(join(folder, "sub/signing-key.pem"), "utf8");
  const second = await runCli(["init", "sub"], { cwd: folder });
  assert.equal(second.code, 1);
  assert.match(second.stderr, /already exists/);
  assert.equal(readFileSync(join(folder, "sub/signing-key.pem"), "utf8"), before);
  const check = await runCli(["config", "check", "--config", "sub/config.json"], { cwd: folder });
  assert.deepEqual([check.code, check.stdout], [0, "ok\n"]);
  const config = JSON.parse(readFileSync(join(folder, "sub/config.json"), "utf8")) as Record<string, object>;
  const app = config["app_config"] as Record<string, unknown>;
  assert.deepEqual(
    [app["anonymous_user_get"], app["second_factor"], app["reauthentication_time"]],
    [false, "off", 15],
  );
});

test("after init, a second factor can be turned on at once", async () => {
  const folder = newFolder();
  await runCli(["init"], { cwd: folder });
  const env = { AUTHMQ__APP_CONFIG__SECOND_FACTOR: "required" };
  const check = await runCli(["config", "check"], { cwd: folder, env });
  assert.deepEqual([check.code, check.stdout, check.stderr], [0, "ok\n", ""]);
});

test("init makes the broker's vhost the default vhost of tokens, and leaves the broker's address open", async () => {
  for (const [env, vhost] of [
    [{}, "/"],
    [{ AMQP_URL: "amqp://guest:guest@rabbit/a%2Fb" }, "a/b"],
    [{ AMQP_URL: "amqp://rabbit" }, "/"],
    [{ AMQP_URL: "amqp://rabbit/one", AUTHMQ__AMQP_SETTINGS__VHOST: "two" }, "two"],
    [{ AUTHMQ__AMQP_SETTINGS__URL: "amqp://rabbit/three", AMQP_URL: "amqp://rabbit/one" }, "three"],
    [{ AUTHMQ__AMQP_SETTINGS__PASSWORD_FILE: "/not/here/yet" }, "/"],
  ] as const) {
    const folder = newFolder();
    const { code, stderr } = await runCli(["init"], { cwd: folder, env });
    assert.equal(code, 0, stderr);
    const written = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Record<string, object>;
    assert.deepEqual(
      [
        written["app_config"] &&
          "default_vhost" in written["app_config"] &&
          written["app_config"].default_vhost,
      ],
      [vhost],
    );
    assert.deepEqual([written["amqp_settings"], written["db_settings"]], [{}, {}]);
  }
  for (const AMQP_URL of ["rabbit", `amqp://rabbit/${"v".repeat(101)}`]) {
    const folder = newFolder();
    const { code, stderr } = await runCli(["init"], { cwd: folder, env: { AMQP_URL } });
    assert.equal(code, 78, stderr);
    assert.deepEqual(readdirSync(folder), []);
  }
});

test("after init, admin create rejects short and common passwords, and those that contain the username", async () => {
  const folder = newFolder();
  await runCli(["init"], { cwd: folder });
  const common = readFileSync(join(folder, "common-passwords.txt"), "utf8").trimEnd().split("\n");
  assert.equal(new Set(common).size, 10_000);
  await runCli(["migrate"], { cwd: folder });
  const create = (password: string) =>
    runCli(["admin", "create", "root", "--email", "root@example.com"], {
      cwd: folder,
      stdin: `${password}\n`,
    });
  const long = common.find((password) => password.length >= 12) ?? "";
  for (const [password, error] of [
    ["short", "password must match"],
    [long.toUpperCase(), "password is on the list of blocked passwords; choose another one"],
    ["root-of-all-trees", "password must not contain the username"],
  ] as const) {
    const { code, stderr } = await create(password);
    assert.equal(code, 1);
    assert.ok(stderr.includes(error), stderr);
  }
  assert.equal((await create("correct horse battery")).code, 0);
});

test("config check lists every error with its path and exits with 78", async () => {
  const cwd = folderWith({
    nonsense: {},
    amqp_settings: { port: "5672", hots: "x" },
    app_config: { username_regex: "(" },
    jwt_creation: { issuer: "a", signmethod: "HS256", secret: { type: "plain", value: "short" } },
  });
  const { code, stderr } = await runCli(["config", "check"], { cwd });
  assert.equal(code, 78);
  for (const path of [
    "nonsense",
    "amqp_settings.port",
    "amqp_settings.hots",
    "app_config.username_regex",
    "jwt_creation.secret",
  ]) {
    assert.ok(stderr.includes(`${path}: `), path);
  }
  assert.equal(stderr.includes("short\n"), false);
  assert.doesNotMatch(stderr, NO_TRACE);
});

for (const database of DATABASES) {
  test(`migrate can run again on ${database}; admin create needs it`, async () => {
    const { raw, cleanUp } = await provision({ database });
    const cwd = folderWith(raw);
    const create = ["admin", "create", "root", "--email", "root@example.com"];
    const early = await runCli(create, { cwd, stdin: "correct horse\n" });
    assert.equal(early.code, 1);
    assert.match(early.stderr, /authmq migrate/);
    const first = await runCli(["migrate"], { cwd });
    assert.deepEqual([first.code, first.stderr], [0, ""]);
    assert.equal((await runCli(["migrate"], { cwd })).stdout, "up to date\n");
    const status = await runCli(["migrate", "--status"], { cwd });
    assert.match(status.stdout, /^0001-user applied \d{4}-/);
    assert.equal((await runCli(create, { cwd, stdin: "correct horse\n" })).code, 0);
    await using db = openDatabase(parseConfig(raw, { keys: true, env: {}, folder: cwd }).db);
    const events = await db.selectFrom("event").select(["type", "username"]).orderBy("seq").execute();
    assert.deepEqual(
      events.map(({ type, username }) => [type, username]),
      [
        ["group.created", null],
        ["user.created", "root"],
        ["group.member_added", "root"],
      ],
    );
    const again = await runCli(create, { cwd, stdin: "correct horse\n" });
    assert.deepEqual([again.code, again.stderr], [1, "authmq: the username root is taken\n"]);
    const bad = await runCli(["admin", "create", "x", "--email", "nope"], { cwd, stdin: "abc\n" });
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /username must match .*email must match .*password must match/);
    assert.equal((await runCli(create, { cwd })).code, 2, "no password on stdin");
    await cleanUp();
  });
}

test("keys generate prints a key that the configuration accepts, for every algorithm", async () => {
  for (const alg of SIGN_METHODS) {
    const { code, stdout } = await runCli(["keys", "generate", "--alg", alg]);
    assert.equal(code, 0);
    const secret = alg.startsWith("HS")
      ? { type: "base64plain", value: stdout.trim() }
      : { type: "plain", value: stdout };
    const raw = { jwt_creation: { issuer: "a", signmethod: alg, secret } };
    const { signing } = parseConfig(raw, { keys: true, env: {}, folder: newFolder() });
    assert.equal(signing?.method, alg);
  }
});

test("an invalid command line exits with 2 and prints the usage", async () => {
  for (const args of [
    [],
    ["nonsense"],
    ["call"],
    ["call", "login", "{", "--timeout", "1"],
    ["call", "login", "{}", "--timeout", "x"],
    ["bench", "login", "-n", "0"],
    ["keys", "generate", "--alg", "none"],
    ["keys", "rotate", "--alg", "none"],
    ["admin", "create", "root"],
    ["serve", "--nonsense"],
  ]) {
    const { code, stderr } = await runCli(args);
    assert.equal(code, 2, args.join(" "));
    assert.match(stderr, /usage: authmq|Usage: authmq|example:/, args.join(" "));
    assert.doesNotMatch(stderr, NO_TRACE);
  }
});

test("every command shows examples", async () => {
  const { code, stdout } = await runCli(["--help"]);
  assert.equal(code, 0);
  assert.match(stdout, /Examples:/);
  for (const [name, load] of COMMANDS)
    for (const [path, command] of endsOf(await load(), name)) {
      let text = "";
      command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
      assert.match(text, /^Examples?:\n/m, path);
    }
});

/** The commands that do something, by their command lines. */
function endsOf(command: Command, path: string): [string, Command][] {
  if (command.commands.length === 0) return [[path, command]];
  return command.commands.flatMap((child) => endsOf(child, `${path} ${child.name()}`));
}

test("schemas --check reports a file that is not up to date", async () => {
  const cwd = newFolder();
  assert.equal((await runCli(["schemas"], { cwd })).code, 0);
  assert.equal((await runCli(["schemas", "--check"], { cwd })).code, 0);
  const missing = await runCli(["schemas", "--check", "--out", "elsewhere"], { cwd });
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /rpc\/login\.request\.json/);
});

test("an older Node gets an error of one line", async () => {
  const older = 'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.0.0"})';
  const { code, stderr } = await runCli(["--version"], { node: ["--import", older] });
  assert.deepEqual([code, stderr.trim().split("\n").length], [78, 1]);
  assert.match(stderr, /needs Node 24\.15/);
});
