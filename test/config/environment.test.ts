import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { rootCertificates } from "node:tls";
import { faultsOf, faultyPaths, parse } from "./faults-of.ts";

const folder = mkdtempSync(join(tmpdir(), "authmq-config-"));
after(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

describe("a variable of the environment", () => {
  test("overrides only its key of the file", () => {
    const raw = { amqp_settings: { host: "from-the-file", username: "alice" } };
    const { amqp } = parse(raw, { env: { AUTHMQ__AMQP_SETTINGS__HOST: "rabbit" } });
    assert.deepEqual([amqp.nodes[0].host, amqp.username], ["rabbit", "alice"]);
    assert.equal(raw.amqp_settings.host, "from-the-file", "the object that was given is left alone");
  });

  test("is read as the type of its key", () => {
    const { amqp, app } = parse(
      {},
      {
        env: {
          AUTHMQ__AMQP_SETTINGS__PORT: "5673",
          AUTHMQ__AMQP_SETTINGS__PASSWORD: "0123",
          AUTHMQ__AMQP_SETTINGS__VHOST: "true",
          AUTHMQ__APP_CONFIG__ALLOW_REGISTRATION: "true",
          AUTHMQ__APP_CONFIG__ACCESS_TOKEN_VALID_TIME: "2.5",
        },
      },
    );
    assert.deepEqual([amqp.nodes[0].port, amqp.password, amqp.vhost], [5673, "0123", "true"]);
    assert.deepEqual([app.allow_registration, app.access_token_valid_time], [true, 2.5]);
  });

  test("with the wrong type is a fault under its own name", () => {
    const env = { AUTHMQ__AMQP_SETTINGS__PORT: "many", AUTHMQ__APP_CONFIG__ALLOW_REGISTRATION: "yes" };
    assert.deepEqual(faultyPaths({}, { env }), Object.keys(env));
    assert.deepEqual(faultyPaths({}, { env: { AUTHMQ__AMQP_SETTINGS__PORT: '"5672"' } }), [
      "AUTHMQ__AMQP_SETTINGS__PORT",
    ]);
  });

  test("sets a list or section as JSON", () => {
    const env = {
      AUTHMQ__APP_CONFIG__VHOSTS: '["prod", "test"]',
      AUTHMQ__AMQP_SETTINGS: '{"host": "rabbit"}',
    };
    const { app, amqp } = parse({}, { env });
    assert.deepEqual(app.vhosts, ["prod", "test"]);
    assert.equal(amqp.nodes[0].host, "rabbit");
  });

  test("sets a list item by its index", () => {
    const other = { name: "other", secret: { type: "plain", value: "o".repeat(32) }, methods: ["HS256"] };
    const raw = {
      jwt_creation: { issuer: "authmq", signmethod: "HS256", secret: { type: "plain", value: "short" } },
      jwt_validation: [other],
    };
    const env = {
      AUTHMQ__JWT_CREATION__SECRET__VALUE: "s".repeat(32),
      AUTHMQ__JWT_VALIDATION__0__NAME: "partner",
      AUTHMQ__JWT_VALIDATION__1: JSON.stringify({ ...other, name: "second" }),
    };
    const { issuers } = parse(raw, { env, keys: true });
    assert.deepEqual(
      issuers.map(({ name }) => name),
      ["partner", "second", "authmq"],
    );
  });

  test("creates a section that is not in the file", () => {
    const env = {
      AUTHMQ__JWT_VALIDATION__0__NAME: "partner",
      AUTHMQ__JWT_VALIDATION__0__METHODS__0: "HS256",
      AUTHMQ__JWT_VALIDATION__0__SECRET__TYPE: "plain",
      AUTHMQ__JWT_VALIDATION__0__SECRET__VALUE: "s".repeat(32),
      AUTHMQ__JWT_CREATION__ISSUER: "authmq",
      AUTHMQ__JWT_CREATION__SIGNMETHOD: "HS256",
      AUTHMQ__JWT_CREATION__SECRET__TYPE: "plain",
      AUTHMQ__JWT_CREATION__SECRET__VALUE: "t".repeat(32),
    };
    const { issuers, signing } = parse({}, { env, keys: true });
    assert.deepEqual([issuers[0]?.name, issuers[0]?.keys[0]?.methods], ["partner", ["HS256"]]);
    assert.equal(signing?.method, "HS256");
  });

  test("that sets no known key is a fault", () => {
    const env = {
      AUTHMQ__AMQP_SETTINGS__HOSTS: "a",
      AUTHMQ__AMQP: "{}",
      AUTHMQ__: "a",
      AUTHMQ__APP_CONFIG__ADMIN_GROUP__0: "a",
      AUTHMQ__JWT_VALIDATION__FIRST__NAME: "a",
      AUTHMQ__CONSTRUCTOR: "{}",
      AUTHMQ____PROTO____HOST: "a",
    };
    assert.deepEqual(faultyPaths({}, { env }), Object.keys(env).toSorted());
  });

  test("of another program, or for the file's path, is ignored", () => {
    const env = { AUTHMQ_CONFIG: "x", AUTHMQ_TEST: "x", AMQP_SETTINGS__HOST: "x", PATH: "/bin" };
    assert.equal(parse({}, { env }).amqp.nodes[0].host, "127.0.0.1");
  });
});

describe("a variable that ends with _FILE", () => {
  test("sets the content of the file without the newline at its end", () => {
    for (const text of ["s3cret", "s3cret\n", "s3cret\r\n"]) {
      const env = { AUTHMQ__AMQP_SETTINGS__PASSWORD_FILE: write("password", text) };
      assert.equal(parse({}, { env }).amqp.password, "s3cret");
    }
    const env = { AUTHMQ__AMQP_SETTINGS__PASSWORD_FILE: write("password", " two\nlines \n\n") };
    assert.equal(parse({}, { env }).amqp.password, " two\nlines \n");
  });

  test("is read as the type of its key", () => {
    const env = { AUTHMQ__AMQP_SETTINGS__PORT_FILE: write("port", "5673\n") };
    assert.equal(parse({}, { env }).amqp.nodes[0].port, 5673);
  });

  test("with a missing file is a fault under its own name", () => {
    const env = { AUTHMQ__AMQP_SETTINGS__PASSWORD_FILE: join(folder, "missing") };
    assert.deepEqual(faultyPaths({}, { env }), ["AUTHMQ__AMQP_SETTINGS__PASSWORD_FILE"]);
  });

  test("is the path for ca_file, which can also be read from a file", () => {
    const [certificate = ""] = rootCertificates;
    const ca = write("ca.pem", certificate);
    const direct = parse({}, { env: { AUTHMQ__AMQP_SETTINGS__CA_FILE: ca } });
    assert.equal(direct.amqp.ca?.toString(), certificate);
    const indirect = parse({}, { env: { AUTHMQ__AMQP_SETTINGS__CA_FILE_FILE: write("path", `${ca}\n`) } });
    assert.equal(indirect.amqp.ca?.toString(), certificate);
  });

  test("cannot be combined with the variable without _FILE", () => {
    const env = {
      AUTHMQ__AMQP_SETTINGS__PASSWORD: "a",
      AUTHMQ__AMQP_SETTINGS__PASSWORD_FILE: write("password", "b"),
    };
    const faults = faultsOf({}, { env });
    assert.deepEqual(Object.keys(faults), ["AUTHMQ__AMQP_SETTINGS__PASSWORD_FILE"]);
    assert.match(String(Object.values(faults)), /AUTHMQ__AMQP_SETTINGS__PASSWORD\b/);
  });
});
