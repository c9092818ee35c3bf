import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DEFAULT_PATTERNS } from "../../../src/config/patterns.ts";
import { newFolder, runCli } from "../../support/cli.ts";
import { createOldDatabase, type OldDatabase } from "../../support/py-auth-micro.ts";

type Settings = Record<string, Record<string, unknown> | undefined>;

/** The example that py_auth_micro ships, with the values that authmq cannot read. */
function oldConfig({ settings }: OldDatabase) {
  const secret = { type: "plain", value: "example_hmac_secret" };
  const methods = ["HS256", "HS384", "HS512"];
  return {
    jwt_validation: [
      { name: "auth", secret, methods },
      { name: "partner", secret: { type: "plain", value: "p".repeat(40) }, methods },
      { name: "weak", secret: { type: "base64plain", value: "dGVzdDEyMw==" }, methods },
      { name: "rsa", secret: { type: "keyfile", value: "keys/public.pem" }, methods: ["RS256", "RS512"] },
    ],
    jwt_creation: { issuer: "auth", signmethod: "HS256", secret },
    db_settings: { ...settings, ca_file: null },
    amqp_settings: { host: "127.0.0.1", username: "auth", password: "correct horse", ca_file: null },
    app_config: {
      username_regex: "(?P<name>[\\w-]{4,30})\\Z",
      email_regex: DEFAULT_PATTERNS.email.slice(0, -1),
      id_token_valid_time: 600,
      not_a_setting: true,
    },
    log_settings: {
      level: "NOTSET",
      handler: "amqp_helper.AMQPLogHandler",
      disable_aio_pika: true,
      handler_settings: { amqp: { host: "127.0.0.1", password: "correct horse" } },
    },
  };
}

/** A folder with this configuration and the keys that it names. */
function folderOf(config: object): string {
  const cwd = newFolder();
  mkdirSync(join(cwd, "old/keys"), { recursive: true });
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  writeFileSync(join(cwd, "old/keys/public.pem"), publicKey.export({ type: "spki", format: "pem" }));
  writeFileSync(join(cwd, "old/old.json"), JSON.stringify(config));
  return cwd;
}

function write(cwd: string, ...more: readonly string[]) {
  return runCli(["import-py-auth-micro", "--from", "old/old.json", "--write-config", "new", ...more], {
    cwd,
  });
}

function written(cwd: string): Settings {
  return JSON.parse(readFileSync(join(cwd, "new/config.json"), "utf8")) as Settings;
}

test("writes a configuration that passes config check, and lists changes and decisions", async () => {
  await using old = await createOldDatabase();
  await old.add({ username: "active" }, { username: "inactive", activated: 0 });
  const cwd = folderOf(oldConfig(old));
  const refused = await runCli(["config", "check", "old/old.json"], { cwd });
  assert.equal(refused.code, 78);
  for (const advice of [
    /log_settings\.level: NOTSET is a level of Python: write "trace"/,
    /log_settings\.handler: .* is a class of Python .*: write "amqp"/,
    /log_settings\.disable_aio_pika: .*: remove it/,
    /db_settings\.ca_file: must not be null: remove it/,
    /jwt_creation\.secret: has 19 bytes; .* Generate one/,
    /app_config\.username_regex: .*\. Write "\(\?<name>/,
  ])
    assert.match(refused.stderr, advice);

  const { code, stdout, stderr } = await write(cwd);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(statSync(join(cwd, "new/config.json")).mode & 0o777, 0o600);
  const checked = await runCli(["config", "check", "new/config.json"], { cwd });
  assert.deepEqual([checked.code, checked.stdout, checked.stderr], [0, "ok\n", ""]);
  assert.deepEqual(readdirSync(join(cwd, "new")), ["config.json"]);

  const config = written(cwd);
  const { value } = config["jwt_creation"]?.["secret"] as { value: string };
  assert.ok(value.length >= 32 && !stdout.includes(value));
  assert.deepEqual(config["db_settings"], { dialect: "sqlite", file: "authmq.db" });
  assert.deepEqual(config["app_config"], {
    username_regex: "(?<name>[\\w-]{4,30})",
    id_token_valid_time: 600,
  });
  assert.deepEqual(config["log_settings"], { level: "trace", handler: "amqp", handler_settings: {} });
  assert.deepEqual(
    (
      config["jwt_validation"] as unknown as { name: string; methods: string[]; secret: { value: string } }[]
    ).map(({ name, methods, secret }) => [name, methods, name === "rsa" ? secret.value : ""]),
    [
      ["partner", ["HS256"], ""],
      ["rsa", ["RS256", "RS512"], join(cwd, "old/keys/public.pem")],
    ],
  );
  const [changed = "", decisions = ""] = stdout.split("To decide:\n");
  for (const line of [
    /^new\/config\.json\nChanged:\n/,
    /^- log_settings\.level: NOTSET is a level of Python; now "trace"$/m,
    /^- app_config\.username_regex: is a pattern of Python; now /m,
    /^- app_config\.email_regex: is the pattern of py_auth_micro.*; removed$/m,
    /^- jwt_validation\.0: removed: authmq accepts the tokens of its own issuer/m,
    /^- jwt_validation\.1\.methods: now HS256/m,
    /^- db_settings: now the SQLite file authmq\.db/m,
  ])
    assert.match(changed, line);
  for (const line of [
    /^- jwt_creation\.secret: had 19 bytes, and HS256 needs 32; now a new secret/m,
    /^- log_settings\.handler: /m,
    /^- app_config\.username_regex: \\w and \\d match ASCII here/m,
    /^- app_config\.not_a_setting: unknown key; removed$/m,
    /^- jwt_validation\.2: removed: the key of weak has 7 bytes/m,
    /^- users: 1 have activated = 0\. .* get 403 here/m,
  ])
    assert.match(decisions, line);

  const again = await write(cwd);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /new\/config\.json already exists, and nothing is overwritten/);
});

test("with --mixed sets the legacy options, and with --database uses the old server", async () => {
  await using old = await createOldDatabase();
  const cwd = folderOf(oldConfig(old));
  const same = await write(cwd, "--database", old.settings.database);
  assert.equal(same.code, 2);
  const { code, stderr } = await write(cwd, "--mixed", "--database", "authmq_new");
  assert.equal(code, 0, stderr);
  const config = written(cwd);
  assert.equal(config["jwt_creation"]?.["legacy_header_claims"], true);
  assert.deepEqual(
    [config["amqp_settings"]?.["legacy_replies"], config["amqp_settings"]?.["queues"]],
    [true, "transient"],
  );
  assert.deepEqual(config["db_settings"], { ...old.settings, dialect: "mysql", database: "authmq_new" });
  assert.equal((await runCli(["config", "check", "new/config.json"], { cwd })).stdout, "ok\n");
});

test("a value that only a person can correct is an error with its place, and writes nothing", async () => {
  await using old = await createOldDatabase();
  const config = oldConfig(old);
  const cwd = folderOf({ ...config, app_config: { ...config.app_config, id_token_valid_time: "long" } });
  const { code, stderr } = await write(cwd);
  assert.equal(code, 78);
  assert.match(stderr, /^authmq: old\/old\.json: app_config\.id_token_valid_time: must be a number/);
  assert.deepEqual(readdirSync(cwd), ["old"]);
});

test("a database that cannot be reached does not matter", async () => {
  await using old = await createOldDatabase();
  const config = oldConfig(old);
  const cwd = folderOf({
    ...config,
    db_settings: { ...config.db_settings, password: "wrong horse battery" },
  });
  const { code, stdout } = await write(cwd);
  assert.equal(code, 0);
  assert.match(stdout, /^- users: those with activated = 0 were not counted \(/m);
});
