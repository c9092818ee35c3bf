import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { keyFiles } from "../../src/cli/doctor/files.ts";
import { ConfigError } from "../../src/config/fault.ts";
import { loadConfig } from "../../src/config/load.ts";
import { faultsOf, faultyPaths, parse } from "./faults-of.ts";

const folder = mkdtempSync(join(tmpdir(), "authmq-config-"));
after(() => rmSync(folder, { recursive: true }));

describe("a fault of the configuration names its path:", () => {
  const cases: Record<string, { raw: unknown; paths: string[] }> = {
    "an unknown section": { raw: { amqp: {} }, paths: ["amqp"] },
    "a section named like a property of every object": {
      raw: JSON.parse('{"__proto__": {}, "constructor": {}}'),
      paths: ["__proto__", "constructor"],
    },
    "an unknown key": {
      raw: { amqp_settings: { hostname: "a", prot: 1 } },
      paths: ["amqp_settings.hostname", "amqp_settings.prot"],
    },
    "an unknown key deep inside": {
      raw: { log_settings: { handler_settings: { file: "x" } } },
      paths: ["log_settings.handler_settings.file"],
    },
    "a section of the wrong type": { raw: { app_config: [] }, paths: ["app_config"] },
    "a section that is null": { raw: { amqp_settings: null }, paths: ["amqp_settings"] },
    "a string instead of a number": {
      raw: { amqp_settings: { port: "5672" } },
      paths: ["amqp_settings.port"],
    },
    "a number instead of a string": { raw: { amqp_settings: { host: 1 } }, paths: ["amqp_settings.host"] },
    "a string instead of a boolean": {
      raw: { app_config: { allow_registration: "false" } },
      paths: ["app_config.allow_registration"],
    },
    "a port out of range": { raw: { db_settings: { port: 65_536 } }, paths: ["db_settings.port"] },
    "a time that is not positive": {
      raw: { app_config: { id_token_valid_time: 0, access_token_valid_time: -5 } },
      paths: ["app_config.access_token_valid_time", "app_config.id_token_valid_time"],
    },
    "invalid regular expressions": {
      raw: {
        app_config: { group_regex: "[a", username_regex: "a)(b", password_regex: "*", email_regex: "\\" },
      },
      paths: [
        "app_config.email_regex",
        "app_config.group_regex",
        "app_config.password_regex",
        "app_config.username_regex",
      ],
    },
    "a default vhost that is not among the vhosts": {
      raw: { app_config: { vhosts: ["dev", "test"] } },
      paths: ["app_config.default_vhost"],
    },
    "two workflows on one queue": {
      raw: { queue_settings: { session_workflow_login: "auth", session_workflow_logout: "auth" } },
      paths: ["queue_settings.session_workflow_logout"],
    },
    "a queue with another workflow's default name": {
      raw: { queue_settings: { session_workflow_logout: "login" } },
      paths: ["queue_settings.session_workflow_logout"],
    },
    "one queue under both its keys": {
      raw: { queue_settings: { group_workflow_group_users: "a", group_workflow_group_members: "b" } },
      paths: ["queue_settings.group_workflow_group_users"],
    },
    "a queue name that the broker reserves": {
      raw: { queue_settings: { session_workflow_login: "amq.login" } },
      paths: ["queue_settings.session_workflow_login"],
    },
    "a queue name that AMQP cannot carry": {
      raw: { queue_settings: { session_workflow_login: "ä".repeat(128), session_workflow_logout: "" } },
      paths: ["queue_settings.session_workflow_login", "queue_settings.session_workflow_logout"],
    },
    "an unknown key of queue_settings": {
      raw: { queue_settings: { login: "auth" } },
      paths: ["queue_settings.login"],
    },
    "an incomplete address of a database server": {
      raw: { db_settings: { dialect: "mysql", user: "auth" } },
      paths: ["db_settings.database", "db_settings.password"],
    },
    "a file and a database server together": {
      raw: { db_settings: { file: "a.db", database: "a", user: "a", password: "a" } },
      paths: ["db_settings.file"],
    },
    "CA files that are not there": {
      raw: {
        db_settings: { database: "a", user: "a", password: "a", ca_file: "missing.pem" },
        amqp_settings: { ca_file: "missing.pem" },
      },
      paths: ["amqp_settings.ca_file", "db_settings.ca_file"],
    },
    "a log file without its path": {
      raw: { log_settings: { handler: "file" } },
      paths: ["log_settings.handler_settings.path"],
    },
    "a log's exchange without a name, and a logger that is no routing key": {
      raw: {
        log_settings: { handler: "amqp", handler_settings: { exchange: "", logger: "auth.*" } },
      },
      paths: ["log_settings.handler_settings.exchange", "log_settings.handler_settings.logger"],
    },
    "an unknown level": { raw: { log_settings: { level: "loud" } }, paths: ["log_settings.level"] },
    "a section that is not used": {
      raw: { ldap_settings: { adress: "a" } },
      paths: ["ldap_settings.adress"],
    },
  };
  for (const [name, { raw, paths }] of Object.entries(cases)) {
    test(name, () => assert.deepEqual(faultyPaths(raw, { folder }), paths));
  }
});

test("an unknown key does not hide the other faults of its section", () => {
  const raw = {
    ldap_settings: { adress: "a", address: "a", bind: "search" },
    db_settings: { hots: "a", database: "a", user: "a" },
  };
  assert.deepEqual(faultyPaths(raw), [
    "db_settings.hots",
    "db_settings.password",
    "ldap_settings.address",
    "ldap_settings.adress",
    "ldap_settings.bind_dn",
  ]);
});

test("all faults are listed at once", () => {
  const raw = {
    unknown: {},
    jwt_creation: { issuer: "", signmethod: "HS1", secret: { type: "rot13", value: "" } },
    jwt_validation: [
      { name: "other", secret: { type: "keyfile", value: "missing.pem" }, methods: ["ES256"] },
    ],
    amqp_settings: { port: 0, hots: "a" },
    app_config: { username_regex: "(" },
    queue_settings: { session_workflow_login: "amq.x" },
    log_settings: { level: 1 },
  };
  assert.deepEqual(faultyPaths(raw, { folder, keys: true, env: { AUTHMQ__NO__SUCH: "1" } }), [
    "AUTHMQ__NO__SUCH",
    "amqp_settings.hots",
    "amqp_settings.port",
    "app_config.username_regex",
    "jwt_creation.issuer",
    "jwt_creation.secret.type",
    "jwt_creation.secret.value",
    "jwt_creation.signmethod",
    "jwt_validation.0.secret",
    "log_settings.level",
    "queue_settings.session_workflow_login",
    "unknown",
  ]);
});

test("the error message has one line per fault, with its path", () => {
  assert.throws(
    () => parse({ a: 1, b: 2 }),
    (error) => {
      assert.ok(error instanceof ConfigError, String(error));
      assert.deepEqual(error.message.split("\n"), ["a: unknown section", "b: unknown section"]);
      return true;
    },
  );
});

test("a fault does not show a secret", () => {
  const password = "hunter2-hunter2";
  const faults = faultsOf(
    {
      jwt_creation: { issuer: "a", signmethod: "EdDSA", secret: { type: "plain", value: password } },
      amqp_settings: { password: [password] },
    },
    { keys: true, env: { AUTHMQ__DB_SETTINGS__PORT: password } },
  );
  assert.equal(Object.keys(faults).length, 3);
  assert.equal(JSON.stringify(faults).includes(password), false);
});

test("a missing, invalid or ambiguous file is a fault that names the file", () => {
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  for (const file of [
    join(folder, "missing.json"),
    write("broken.json", '{"amqp_settings": '),
    write("list.json", "[]"),
    write("null.json", "null"),
    write("double.json", '{"amqp_settings": {"host": "a", "host": "b"}}'),
  ]) {
    assert.throws(
      () => loadConfig(file, { keys: false, env: {} }),
      (error) => error instanceof ConfigError && error.message.includes(file),
    );
  }
});

test("every command reads a file with a byte order mark, which Windows editors add", () => {
  const file = join(folder, "marked.json");
  const secret = { type: "keyfile", value: "key" };
  writeFileSync(join(folder, "key"), "k".repeat(32));
  const jwt_creation = { issuer: "authmq", signmethod: "HS256", secret };
  writeFileSync(file, `\ufeff${JSON.stringify({ jwt_creation })}`);
  const { signing, origins } = loadConfig(file, { keys: true, env: {} });
  assert.equal(signing?.issuer, "authmq");
  assert.deepEqual(keyFiles(file, origins), [join(folder, "key")]);
});
