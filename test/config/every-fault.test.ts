import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { folderWith, newFolder, runCli } from "../support/cli.ts";
import { faultsOf, faultyPaths } from "./faults-of.ts";
import { fileWith, goodFile, type Mistake, MISTAKES } from "./mistakes.ts";

const folder = newFolder();
writeFileSync(join(folder, "keytab"), "");
const options = { keys: true, folder };
/** Without the optional package, each file has one more fault. */
const always: readonly string[] = Object.keys(faultsOf(goodFile(), options)).filter(
  (path) => path === "kerberos_settings",
);

describe("one run reports all faults of a configuration, and nothing else:", () => {
  test("no fault of a valid file with every section", () => {
    assert.deepEqual(faultyPaths(goodFile(), options), always);
  });

  for (const one of MISTAKES)
    test(`one mistake at ${one.at.join(".")}`, () =>
      assert.deepEqual(faultyPaths(fileWith([one]), options), [one.fault, ...always].toSorted()));

  test("all mistakes together", () => {
    const expected = [...MISTAKES.map(({ fault }) => fault), ...always].toSorted();
    assert.deepEqual(faultyPaths(fileWith(MISTAKES), options), expected);
  });

  test("any combination of mistakes", () => {
    fc.assert(
      fc.property(fc.subarray([...MISTAKES]), (some) => {
        const expected = [...some.map(({ fault }) => fault), ...always].toSorted();
        assert.deepEqual(faultyPaths(fileWith(some), options), expected);
      }),
      { numRuns: 25 },
    );
  });

  test("any combination of mistakes in environment variables, under their names", () => {
    const inVariables = MISTAKES.filter(({ at, value, fault }) => {
      // Unknown keys are another kind of fault, and absent keys cannot be variables.
      return (
        at.length > 1 &&
        value !== undefined &&
        !/isuer|secrets$|timeout$|logins|max_failure$|\.login$|exchanges|scopes/.test(fault)
      );
    });
    const variable = ({ at }: Mistake): string => `AUTHMQ__${at.join("__").toUpperCase()}`;
    fc.assert(
      fc.property(fc.subarray(inVariables), (some) => {
        const env = Object.fromEntries(
          some.map((one) => [
            variable(one),
            typeof one.value === "string" ? one.value : JSON.stringify(one.value),
          ]),
        );
        const paths = faultyPaths(goodFile(), { ...options, env });
        const expected = some.map((one) => {
          const rest = one.fault.startsWith(`${one.at.join(".")}.`)
            ? one.fault.slice(one.at.join(".").length)
            : "";
          return `${variable(one)}${rest}`;
        });
        // A string may be valid JSON in a variable: "true" is true there.
        const wrong = paths.filter((path) => !expected.includes(path) && !always.includes(path));
        assert.deepEqual(wrong, []);
        const silent =
          /NESTED_GROUPS|DB_SETTINGS__PORT|BIND_PASSWORD|PASSWORD_REGEX|ADDRESS__1|HOST__1|ISSUER|REALM/;
        for (const name of expected) if (!silent.test(name)) assert.ok(paths.includes(name), name);
      }),
      { numRuns: 25 },
    );
  });
});

describe("a fault does not hide another one:", () => {
  const cases: Record<string, { raw: unknown; env?: Record<string, string>; paths: string[] }> = {
    "a wrong type does not hide a pattern, a rule or a file of its section": {
      raw: {
        app_config: {
          allow_registration: "yes",
          group_regex: "[a",
          vhosts: ["a"],
          password_blocklist: "missing",
        },
      },
      paths: [
        "app_config.allow_registration",
        "app_config.default_vhost",
        "app_config.group_regex",
        "app_config.password_blocklist",
        "jwt_creation",
      ],
    },
    "a wrong type does not hide an unreadable key": {
      raw: {
        jwt_creation: {
          issuer: 5,
          signmethod: "HS1",
          secret: { type: "keyfile", value: "missing.pem", secret: 1 },
        },
      },
      paths: [
        "jwt_creation.issuer",
        "jwt_creation.secret",
        "jwt_creation.secret.secret",
        "jwt_creation.signmethod",
      ],
    },
    "a section of a wrong type has one fault, and the others theirs": {
      raw: { db_settings: [], ldap_settings: null, jwt_creation: "a", amqp_settings: { port: 0 } },
      paths: ["amqp_settings.port", "db_settings", "jwt_creation", "ldap_settings"],
    },
    "a file that is not there, for a password, is one fault": {
      raw: { db_settings: { database: "a", user: "a" } },
      env: { AUTHMQ__DB_SETTINGS__PASSWORD_FILE: "/nowhere/password" },
      paths: ["AUTHMQ__DB_SETTINGS__PASSWORD_FILE", "jwt_creation"],
    },
    "a variable for a section that is no JSON leaves its keys unknown, and those in variables are checked": {
      raw: { db_settings: { user: "a", port: 0 } },
      env: { AUTHMQ__DB_SETTINGS: "{", AUTHMQ__DB_SETTINGS__PORT: '"1"', AUTHMQ__DB_SETTINGS__USER: "a" },
      paths: ["AUTHMQ__DB_SETTINGS", "AUTHMQ__DB_SETTINGS__PORT", "jwt_creation"],
    },
    "a section of a wrong type is a fault also where a variable sets a key of it": {
      raw: { amqp_settings: "rabbit", jwt_validation: {} },
      env: { AUTHMQ__AMQP_SETTINGS__PORT: "0", AUTHMQ__JWT_VALIDATION__0__NAME: "a" },
      paths: [
        "AUTHMQ__AMQP_SETTINGS__PORT",
        "amqp_settings",
        "jwt_creation",
        "jwt_validation",
        "jwt_validation.0.methods",
        "jwt_validation.0.secret",
      ],
    },
    "a key in a variable that cannot be read does not hide what is missing beside it": {
      raw: {},
      env: { AUTHMQ__JWT_CREATION__SECRET__VALUE_FILE: "/nowhere/key" },
      paths: [
        "AUTHMQ__JWT_CREATION__SECRET__VALUE_FILE",
        "jwt_creation.issuer",
        "jwt_creation.secret.type",
        "jwt_creation.signmethod",
      ],
    },
    "a secret in a variable is named by it": {
      raw: { jwt_creation: { issuer: "a", signmethod: "HS256", secret: { type: "plain" } } },
      env: { AUTHMQ__JWT_CREATION__SECRET__VALUE: "short" },
      paths: ["AUTHMQ__JWT_CREATION__SECRET__VALUE"],
    },
  };
  for (const [name, { raw, env = {}, paths }] of Object.entries(cases))
    test(name, () => assert.deepEqual(faultyPaths(raw, { ...options, env }), paths));
});

test("a fault says what to do", () => {
  const faults = faultsOf({
    amqp_setings: {},
    amqp_settings: { port: "5672", prefetsh: 1, host: 5, queues: "classic", zzzzzzzz: 1 },
    app_config: { allow_registration: "true", bcrypt_cost: 10.5 },
  });
  assert.deepEqual(faults, {
    amqp_setings: "unknown section; did you mean amqp_settings?",
    "amqp_settings.port": "must be a number, not a string: write it without quotes",
    "amqp_settings.prefetsh": "unknown key; did you mean prefetch?",
    "amqp_settings.host": "must be a string or a list, not a number",
    "amqp_settings.queues": 'Invalid option: expected one of "durable"|"quorum"|"transient"',
    "amqp_settings.zzzzzzzz": "unknown key",
    "app_config.allow_registration": "must be true or false, not a string: write it without quotes",
    "app_config.bcrypt_cost": "must be a whole number, not a fraction",
  });
});

test("config check and serve list every fault of file and environment, and exit with 78", async () => {
  const faults = ["jwt_creation.issuer", "db_settings.port", "app_config.group_regex"];
  const mistakes = faults.flatMap((fault) => MISTAKES.find((one) => one.fault === fault) ?? []);
  const cwd = folderWith(fileWith(mistakes));
  writeFileSync(join(cwd, "keytab"), "");
  chmodSync(join(cwd, "keytab"), 0o600);
  const env = { AUTHMQ__NO__SUCH: "1", AUTHMQ__AMQP_SETTINGS__PORT: "many" };
  for (const args of [["config", "check"], ["serve"]]) {
    const { code, stdout, stderr } = await runCli(args, { cwd, env });
    const paths = Array.from(stderr.matchAll(/^authmq: ([^:]+): /gm), ([, path = ""]) => path);
    assert.deepEqual(
      [code, stdout, paths.toSorted()],
      [78, "", ["AUTHMQ__AMQP_SETTINGS__PORT", "AUTHMQ__NO__SUCH", ...faults, ...always].toSorted()],
      stderr,
    );
  }
});

test("a file that is not JSON does not hide faults of the environment", async () => {
  const cwd = newFolder();
  writeFileSync(join(cwd, "config.json"), "{");
  const env = { AUTHMQ__NO__SUCH: "1", AUTHMQ__AMQP_SETTINGS__PORT: "0" };
  const { code, stderr } = await runCli(["config", "check"], { cwd, env });
  assert.equal(code, 78);
  assert.match(stderr, /^authmq: config\.json is not JSON/m);
  assert.match(stderr, /^authmq: AUTHMQ__NO__SUCH: is not a known setting/m);
  assert.match(stderr, /^authmq: AUTHMQ__AMQP_SETTINGS__PORT: Too small/m);
  assert.equal(stderr.trim().split("\n").length, 3, stderr);
});
