import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_PATTERNS, fullMatch } from "../../src/config/patterns.ts";
import { modernize } from "../../src/config/py-auth-micro.ts";
import { translatePattern } from "../../src/config/python-pattern.ts";
import { generateSecret } from "../../src/config/generate-key.ts";
import { faultsOf } from "./faults-of.ts";

const OLD_EMAIL = DEFAULT_PATTERNS.email.slice(0, -1);

/** A configuration with every value of py_auth_micro that has another form here. */
const OLD = {
  db_settings: { database: "auth", user: "auth", password: "correct horse", ca_file: null },
  ldap_settings: null,
  amqp_settings: { ca_file: null },
  app_config: { username_regex: "(?i)[a-z]{,30}\\Z", email_regex: OLD_EMAIL },
  log_settings: {
    level: "NOTSET",
    handler: "amqp_helper.AMQPLogHandler",
    disable_aio_pika: true,
    disable_tortoise_orm: false,
    handler_settings: { amqp: { host: "127.0.0.1" } },
  },
};

describe("a configuration of py_auth_micro", () => {
  test("has a fault for each legacy value, which says what to write instead", () => {
    const { "app_config.username_regex": pattern, ...faults } = faultsOf(OLD);
    assert.match(pattern ?? "", /Invalid regular expression.*\. Write "\(\?i:\[a-z\]\{0,30\}\)"$/);
    assert.deepEqual(faults, {
      ldap_settings: "must not be null: remove it",
      "db_settings.ca_file": "must not be null: remove it",
      "amqp_settings.ca_file": "must not be null: remove it",
      "log_settings.level": 'NOTSET is a level of Python: write "trace"',
      "log_settings.handler":
        'amqp_helper.AMQPLogHandler is a class of Python (amqp publishes to the topic exchange handler_settings.exchange, by default amq.topic): write "amqp"',
      "log_settings.disable_aio_pika": "is a setting of py_auth_micro only: remove it",
      "log_settings.disable_tortoise_orm": "is a setting of py_auth_micro only: remove it",
      "log_settings.handler_settings.amqp":
        "is a setting of py_auth_micro only (the handler amqp uses the connection of amqp_settings): remove it",
    });
  });

  test("is valid once all replacements are made", () => {
    const { config, legacy } = modernize(OLD);
    assert.deepEqual(faultsOf(config), {});
    assert.deepEqual(config, {
      db_settings: { database: "auth", user: "auth", password: "correct horse" },
      amqp_settings: {},
      app_config: { username_regex: "(?i:[a-z]{0,30})" },
      log_settings: { level: "trace", handler: "amqp", handler_settings: {} },
    });
    assert.ok(legacy.some(({ path }) => path === "app_config.email_regex"));
  });

  for (const [level, own] of [
    ["WARNING", "warn"],
    ["critical", "fatal"],
    ["NOTSET", "trace"],
  ] as const)
    test(`with the level ${level} gets ${own}`, () =>
      assert.deepEqual(modernize({ log_settings: { level } }).config, { log_settings: { level: own } }));

  test("with a file handler keeps its file", () => {
    const { config } = modernize({
      log_settings: {
        handler: "logging.handlers.RotatingFileHandler",
        handler_settings: { filename: "a.log" },
      },
    });
    assert.deepEqual(config, { log_settings: { handler: "file", handler_settings: { path: "a.log" } } });
    assert.deepEqual(modernize({ log_settings: { handler: "logging.StreamHandler" } }).config, {
      log_settings: { handler: "stderr" },
    });
  });

  test("keeps null in lists, and lists and values of the wrong type", () => {
    for (const raw of [
      { jwt_validation: [null, { name: "a", audience: null }] },
      { log_settings: "x", app_config: [] },
    ])
      assert.doesNotThrow(() => modernize(raw));
    assert.deepEqual(modernize({ jwt_validation: [{ name: "a", audience: null }] }).config, {
      jwt_validation: [{ name: "a" }],
    });
  });
});

describe("a pattern of Python", () => {
  for (const [python, own, matches] of [
    ["\\A[a-z]+\\Z", "[a-z]+", "abc"],
    ["(?P<x>a)b", "(?<x>a)b", "ab"],
    ["(?i)abc", "(?i:abc)", "ABC"],
    ["[\\w\\_@]{,3}(?#up to three)", "[\\w_@]{0,3}", "a_@"],
    ["[]a]+\\@", "[\\]a]+@", "]a@"],
    ["a{b}\\'", "a\\{b\\}'", "a{b}'"],
    ["\\U0001F600\\a{,1}", "\\u{1F600}\\x07{0,1}", "😀"],
  ] as const)
    test(`${python} becomes ${own}`, () => {
      assert.equal(translatePattern(python), own);
      assert.equal(fullMatch(own).test(matches), true);
    });

  test("that is valid here, or that has no counterpart, is not translated", () => {
    for (const python of [
      ...Object.values(DEFAULT_PATTERNS),
      "(?>a+)b",
      "(a)(?(1)b|c)",
      "(?x) a b",
      "a++",
      "(",
    ])
      assert.equal(translatePattern(python), undefined, python);
  });
});

describe("jwt_creation.legacy_header_claims", () => {
  const creation = (signmethod: string, more: object = {}) => {
    const method = signmethod as Parameters<typeof generateSecret>[0];
    const value = Buffer.from(generateSecret(method).secret).toString("base64");
    const secret = { type: "base64plain", value };
    return { jwt_creation: { issuer: "auth", signmethod, secret, legacy_header_claims: true, ...more } };
  };
  const path = "jwt_creation.legacy_header_claims";

  for (const method of ["HS256", "RS512"])
    test(`is accepted with ${method}, but not with an audience`, () => {
      assert.deepEqual(faultsOf(creation(method), { keys: true }), {});
      assert.match(
        faultsOf(creation(method, { audience: "a" }), { keys: true })[path] ?? "",
        /remove jwt_creation\.audience/,
      );
    });

  for (const method of ["EdDSA", "ES256", "PS256"])
    test(`is a configuration error with ${method}`, () =>
      assert.match(
        faultsOf(creation(method), { keys: true })[path] ?? "",
        new RegExp(`cannot verify ${method}: sign with`),
      ));

  test("is a configuration error if the next key has another algorithm", () => {
    const { jwt_creation: given } = creation("HS256");
    const next = { ...creation("EdDSA").jwt_creation.secret, signmethod: "EdDSA" };
    const { secret, ...others } = given;
    const raw = { jwt_creation: { ...others, keys: { active: secret, next } } };
    assert.match(faultsOf(raw, { keys: true })[path] ?? "", /cannot verify EdDSA/);
  });
});

test("the fault of a short secret names the methods that it fits", () => {
  const secret = { type: "plain", value: "s".repeat(40) };
  const jwt_validation = [{ name: "partner", secret, methods: ["HS256", "HS512"] }];
  const faults = faultsOf(
    { jwt_validation, jwt_creation: { issuer: "a", signmethod: "HS256", secret } },
    { keys: true },
  );
  assert.match(
    faults["jwt_validation.0.secret"] ?? "",
    /^has 40 bytes; .* needs at least 64 .*, or list only HS256$/,
  );
});
