import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { z } from "zod";
import { ConfigError } from "../../src/config/fault.ts";
import { generateSecret } from "../../src/config/generate-key.ts";
import { loadConfig } from "../../src/config/load.ts";
import { configSchema } from "../../src/config/schema.ts";
import { SIGN_METHODS } from "../../src/config/sections/jwt.ts";
import { faultsOf } from "../config/faults-of.ts";
import { folderWith, newFolder, runCli } from "../support/cli.ts";

/** A value for any secret, which no error may contain. */
const CANARY = "canary-in-the-coal-mine";

const PEM = generateSecret("EdDSA").secret;

interface Shape {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
}

/** The path of every key of the configuration; lists have one item. */
function pathsOf(shape: Shape, path: readonly string[] = []): string[][] {
  const inner = [
    ...Object.entries(shape.properties ?? {}),
    ...(shape.items ? [["0", shape.items] as const] : []),
  ];
  return inner.flatMap(([key, one]) => [[...path, key], ...pathsOf(one, [...path, key])]);
}

function withValue(path: readonly string[], value: unknown): unknown {
  return path.reduceRight<unknown>((inner, key) => (key === "0" ? [inner] : { [key]: inner }), value);
}

function assertNotPrinted(output: unknown, ...more: readonly string[]): void {
  const text = typeof output === "string" ? output : JSON.stringify(output);
  for (const secret of [CANARY, ...more]) assert.ok(!text.includes(secret), text.replaceAll(secret, "..."));
}

describe("a configuration error", () => {
  test("does not contain the value, for any key", () => {
    const paths = pathsOf(z.toJSONSchema(configSchema, { io: "input" }) as Shape);
    assert.ok(paths.length > 80, `${paths.length} paths`);
    for (const path of paths) {
      // Errors do contain file names, patterns and filters, to show what is wrong.
      if (/file$|keytab|regex|filter|path|blocklist/.test(path.at(-1) ?? "")) continue;
      for (const value of [CANARY, [CANARY], { value: CANARY }, [[CANARY]]])
        assertNotPrinted(faultsOf(withValue(path, value), { keys: true }));
    }
  });

  test("does not contain an invalid key or secret", () => {
    const encoded = Buffer.from(CANARY).toString("base64");
    for (const signmethod of SIGN_METHODS) {
      for (const secret of [
        { type: "plain", value: CANARY },
        { type: "base64plain", value: encoded },
        { type: "base64plain", value: `${CANARY}!` },
        { type: "base64key", value: encoded },
        { type: "plain", value: CANARY, secret: CANARY },
        { type: "plain", value: PEM.replace("MC4C", "AAAA"), secret: CANARY },
        { type: "base64key", value: Buffer.from(PEM).toString("base64"), secret: CANARY },
      ]) {
        const creation = { issuer: "authmq", signmethod, secret };
        const validation = [
          { name: "other", secret: { ...secret, secret: undefined }, methods: [signmethod] },
        ];
        const errors = faultsOf({ jwt_creation: creation, jwt_validation: validation }, { keys: true });
        assertNotPrinted(errors, encoded, PEM.split("\n")[1]!);
      }
    }
  });

  test("does not contain a variable of the environment", () => {
    for (const name of [
      "AUTHMQ__AMQP_SETTINGS",
      "AUTHMQ__AMQP_SETTINGS__PORT",
      "AUTHMQ__DB_SETTINGS__TIMEOUT_MS",
      "AUTHMQ__JWT_CREATION__SECRET",
      "AUTHMQ__JWT_CREATION__SECRET__TYPE",
      "AUTHMQ__JWT_CREATION__SECRET__VALUE",
      "AUTHMQ__JWT_VALIDATION",
      "AUTHMQ__LDAP_SETTINGS__PASSWORD",
    ]) {
      const errors = faultsOf({}, { env: { [name]: CANARY }, keys: true });
      assert.notDeepEqual(errors, {}, name);
      assertNotPrinted(errors);
    }
  });

  test("does not contain a key that was given instead of its file name", () => {
    for (const value of [PEM, CANARY]) {
      const secret = { type: "keyfile", value };
      const errors = faultsOf(
        { jwt_creation: { issuer: "authmq", signmethod: "EdDSA", secret } },
        { keys: true },
      );
      assertNotPrinted(errors, PEM.split("\n")[1]!);
    }
  });

  test("does not contain a secret that was given instead of its file name", () => {
    assertNotPrinted(faultsOf({}, { env: { AUTHMQ__AMQP_SETTINGS__PASSWORD_FILE: CANARY } }));
  });
});

describe("an invalid configuration", () => {
  for (const [what, text] of [
    ["invalid JSON", `{"amqp_settings": {"password": "${CANARY}"} "db_settings": {}}`],
    ["invalid JSON at the secret", `{"amqp_settings": {"password": '${CANARY}'}}`],
    ["an unterminated secret", `{"amqp_settings": {"password": "${CANARY}`],
    ["a duplicate key", `{"amqp_settings": {"password": "${CANARY}", "password": "${CANARY}"}}`],
    ["a list", `["${CANARY}"]`],
    ["a wrong type", `{"amqp_settings": {"password": ["${CANARY}"]}}`],
    ["a misspelt key", `{"amqp_settings": {"pasword": "${CANARY}"}}`],
  ] as const) {
    test(`is rejected without printing a value: ${what}`, () => {
      const file = join(newFolder(), "config.json");
      writeFileSync(file, text);
      assert.throws(
        () => loadConfig(file, { keys: true, env: {} }),
        (error) => {
          assert.ok(error instanceof ConfigError, "another error");
          assertNotPrinted(inspect(error, { depth: 9, showHidden: true }));
          return true;
        },
      );
    });
  }
});

describe("a command", () => {
  test("rejects invalid JSON without printing a value", async () => {
    const cwd = newFolder();
    writeFileSync(join(cwd, "config.json"), `{"amqp_settings": {"password": '${CANARY}'}}`);
    for (const args of [["config", "check"], ["doctor", "--json"], ["serve"]]) {
      const { code, stdout, stderr } = await runCli(args, { cwd });
      assert.equal(code, 78, args.join(" "));
      assert.match(stderr, /^authmq: /);
      assertNotPrinted(stdout + stderr);
    }
  });

  test("reports what it cannot reach, without a password", async () => {
    const cwd = folderWith({
      jwt_creation: {
        issuer: "authmq",
        signmethod: "HS256",
        secret: { type: "plain", value: `${CANARY} `.repeat(2) },
      },
      amqp_settings: { port: 1, username: "broker-user", password: CANARY },
      db_settings: { dialect: "mysql", port: 1, database: "d", user: "database-user", password: CANARY },
      ldap_settings: { address: "ldap://127.0.0.1:1", bind_dn: "cn=service", bind_password: CANARY },
    });
    const config = await runCli(["config", "check"], { cwd });
    assert.deepEqual([config.code, config.stdout, config.stderr], [0, "ok\n", ""]);
    for (const [args, expected] of [
      [["doctor"], 1],
      [["migrate"], 1],
      [["call", "user_get", "{}"], 2],
      [["serve", "--migrate"], 1],
    ] as const) {
      const { code, stdout, stderr } = await runCli(args, { cwd });
      assert.equal(code, expected, `${args.join(" ")}: ${stderr}`);
      assertNotPrinted(stdout + stderr);
    }
  });
});
