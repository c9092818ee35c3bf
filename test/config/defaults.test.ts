import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, describe, test } from "node:test";
import { rootCertificates } from "node:tls";
import { generateSecret } from "../../src/config/generate-key.ts";
import { loadConfig } from "../../src/config/load.ts";
import { queueNames } from "../../src/config/queues.ts";
import { SECTIONS } from "../../src/config/schema.ts";
import { QUEUES } from "../../src/wire/queues.ts";
import { parse } from "./faults-of.ts";

const folder = mkdtempSync(join(tmpdir(), "authmq-config-"));
after(() => rmSync(folder, { recursive: true }));

describe("an empty configuration", () => {
  const config = parse({}, { folder: "/srv/authmq" });

  test("uses SQLite in the folder of the configuration", () => {
    assert.equal(config.db.dialect, "sqlite");
    assert.equal(config.db.file, "/srv/authmq/authmq.db");
  });

  test("uses the broker on this host with its default user", () => {
    const { nodes, username, password, vhost, message_lifetime, ca } = config.amqp;
    assert.deepEqual(
      { nodes, username, password, vhost },
      { nodes: [{ host: "127.0.0.1", port: 5672 }], username: "guest", password: "guest", vhost: "/" },
    );
    assert.equal(message_lifetime, undefined);
    assert.equal(ca, undefined);
    assert.equal(config.amqp.max_request_bytes, 65_536);
    assert.deepEqual([config.amqp.queues, config.amqp.prefetch_by_queue], ["durable", undefined]);
  });

  test("has the documented rules for accounts and tokens", () => {
    const { bcrypt_cost, email_regex, ...rest } = config.app;
    assert.deepEqual(rest, {
      id_token_valid_time: 1440,
      access_token_valid_time: 5,
      sessions_per_user: 1,
      session_renewal_time: 0,
      allow_registration: false,
      auto_activate_accounts: true,
      admin_group: "admin",
      default_vhost: "prod",
      group_regex: "[a-zA-Z0-9_-]{1,50}",
      username_regex: "[a-zA-Z-_0-9]{4,30}",
      password_regex: ".{4,}",
      password_reset_valid_time: 30,
      email_verification_valid_time: 1440,
      verification_activates: false,
      anonymous_user_get: true,
      second_factor: "off",
      second_factor_groups: [],
      reauthentication_time: 0,
      password_hash: "bcrypt",
      argon2_memory_kib: 19_456,
      argon2_passes: 2,
      login_throttle: {
        free_failures: 10,
        free_failures_per_account: 90,
        max_failures: 100,
        max_delay_seconds: 3600,
        forget_minutes: 1440,
      },
    });
    assert.ok(bcrypt_cost >= 10, String(bcrypt_cost));
    assert.match("a@example.co.uk", new RegExp(`^(?:${email_regex})$`, "u"));
  });

  test("names queues after their workflows", () => {
    assert.deepEqual([...config.queues.keys()], queueNames());
    for (const [workflow, queue] of config.queues) assert.equal(queue, workflow);
  });

  test("logs to stderr at level info", () => {
    assert.deepEqual(config.log, {
      level: "info",
      handler: "stderr",
      handler_settings: { exchange: "amq.topic", logger: "authmq" },
    });
  });
});

test("the sections that a server needs have the documented defaults", () => {
  assert.deepEqual(SECTIONS.ldap_settings.parse({}), {
    address: "ldap://127.0.0.1:389",
    base_dn: "ou=User,dc=ad,dc=local",
    group: "allowed_to_login",
    groups_prefix: "API_PERM",
    domain: "ad.local",
    user_filter: "(&(objectClass=user)(sAMAccountName={username}))",
    nested_groups: false,
    sync_groups: "mirror",
    admin_from_directory: true,
    timeout_ms: 5000,
    max_connections: 8,
    revalidate_minutes: 60,
  });
  const { db } = parse({ db_settings: { database: "auth", user: "auth", password: "" } });
  assert.ok(db.dialect === "mysql", "a database's name means a server");
  assert.deepEqual([db.host, db.port], ["127.0.0.1", 3306]);
});

test("each queue can be renamed by its key, one of them also by an alias", () => {
  const settings = Object.fromEntries(Object.entries(QUEUES).map(([name, { key }]) => [key, `my_${name}`]));
  for (const [workflow, queue] of parse({ queue_settings: settings }).queues) {
    assert.equal(queue, `my_${workflow}`);
  }
  const alias = parse({ queue_settings: { group_workflow_group_users: "members" } });
  assert.equal(alias.queues.get("group_user"), "members");
  const swapped = { session_workflow_login: "logout", session_workflow_logout: "login" };
  assert.equal(parse({ queue_settings: swapped }).queues.get("login"), "logout");
});

test("relative paths start at the folder of the file, not at the current folder", () => {
  const inner = join(folder, "inner");
  mkdirSync(inner);
  writeFileSync(join(inner, "key.pem"), generateSecret("EdDSA").secret);
  const [ca = ""] = rootCertificates;
  writeFileSync(join(inner, "ca.pem"), ca);
  const raw = {
    jwt_creation: { issuer: "authmq", signmethod: "EdDSA", secret: { type: "keyfile", value: "key.pem" } },
    db_settings: { file: "data/users.db" },
    amqp_settings: { ca_file: "ca.pem" },
    log_settings: { handler: "file", handler_settings: { path: "authmq.log" } },
  };
  writeFileSync(join(inner, "config.json"), JSON.stringify(raw));
  const config = loadConfig(join(inner, "config.json"), { keys: true, env: {} });
  assert.equal(config.db.dialect === "sqlite" && config.db.file, resolve(inner, "data/users.db"));
  assert.equal(config.amqp.ca?.toString(), ca);
  assert.equal(config.log.handler_settings.path, join(inner, "authmq.log"));
  assert.equal(config.signing?.key.type, "private");
});

test("a configuration is immutable", () => {
  const raw = {
    jwt_validation: [{ name: "other", secret: { type: "plain", value: "x".repeat(32) }, methods: ["HS256"] }],
    jwt_creation: {
      issuer: "authmq",
      signmethod: "HS256",
      secret: { type: "plain", value: "y".repeat(32) },
    },
    app_config: { vhosts: ["prod"] },
  };
  const config = parse(raw, { keys: true });
  const { app, signing, issuers, db, amqp, log } = config;
  const parts = [
    config,
    app,
    app.vhosts,
    signing,
    issuers,
    ...issuers,
    issuers[0]?.keys[0]?.methods,
    db,
    amqp,
    log,
  ];
  for (const part of [...parts, log.handler_settings]) {
    assert.ok(typeof part === "object" && Object.isFrozen(part), JSON.stringify(part));
  }
  assert.equal(Object.isFrozen(raw.app_config.vhosts), false, "what the caller gave is left alone");
});
