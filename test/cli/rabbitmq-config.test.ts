import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../src/config/load.ts";
import { keyIdOf } from "../../src/tokens/jwks.ts";
import { folderWith, newFolder, runCli } from "../support/cli.ts";
import { timeFromNow, newKey } from "../support/key-ring.ts";

const broker_settings = { resource_server_id: "orders", scopes: { "*": ["read:*"] } };

function withKeys(keys: object, more: object = { broker_settings }): string {
  const jwt_creation = { issuer: "authmq", signmethod: "EdDSA", keys };
  return join(folderWith({ jwt_creation, ...more }), "config.json");
}

test("rabbitmq-config prints the keys of the ring that verify, and writes their public keys", async () => {
  const file = withKeys({
    active: newKey("EdDSA"),
    next: newKey("ES256"),
    retiring: [
      { ...newKey("EdDSA"), until: timeFromNow(60_000) },
      { ...newKey("RS256"), until: timeFromNow(-1000) },
      { ...newKey("HS256"), until: timeFromNow(60_000) },
    ],
  });
  const cwd = newFolder();
  const { code, stdout, stderr } = await runCli(["rabbitmq-config", "--config", file], { cwd });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^wrote 3 public keys to /);
  const { signing } = loadConfig(file, { keys: true, env: {} });
  const shown = [signing!, signing!.reserve[0]!, signing!.reserve[1]!];
  const kids = await Promise.all(shown.map(({ key }) => keyIdOf(key)));
  const [comment, ...lines] = stdout.trimEnd().split("\n");
  assert.match(comment ?? "", /^# /);
  assert.deepEqual(lines, [
    "auth_backends.1 = rabbit_auth_backend_internal",
    "auth_backends.2 = rabbit_auth_backend_oauth2",
    "auth_oauth2.resource_server_id = orders",
    ...kids.map((kid) => `auth_oauth2.signing_keys.${kid} = ${join(cwd, `authmq-${kid}.pem`)}`),
    "auth_oauth2.algorithms.1 = EdDSA",
    "auth_oauth2.algorithms.2 = ES256",
  ]);
  assert.deepEqual(readdirSync(cwd), kids.map((kid) => `authmq-${kid}.pem`).toSorted());
  for (const [index, kid] of kids.entries()) {
    const path = join(cwd, `authmq-${kid}.pem`);
    const written = createPublicKey(readFileSync(path));
    const { key } = shown[index]!;
    assert.ok(written.equals(createPublicKey(key)), `${path} has another key`);
    assert.doesNotMatch(readFileSync(path, "utf8"), /PRIVATE/);
    assert.equal(statSync(path).mode & 0o777, 0o644);
  }
  assert.equal((await runCli(["rabbitmq-config", "--config", file], { cwd })).stdout, stdout);
});

test("rabbitmq-config writes keys that the broker can read, regardless of the umask", async () => {
  const file = withKeys({ active: newKey("EdDSA") });
  const cwd = newFolder();
  const node = ["--import", "data:text/javascript,process.umask(0o077)"];
  const { code, stderr } = await runCli(["rabbitmq-config", "--config", file], { cwd, node });
  assert.equal(code, 0, stderr);
  const [name = ""] = readdirSync(cwd);
  assert.equal(statSync(join(cwd, name)).mode & 0o777, 0o644);
});

test("rabbitmq-config prints only settings that the version knows", async () => {
  const file = withKeys({ active: newKey("EdDSA") });
  const print = async (...version: string[]): Promise<string[]> => {
    const args = ["rabbitmq-config", "--config", file, "--key-dir", folder, ...version];
    const { code, stdout, stderr } = await runCli(args);
    assert.equal(code, 0, stderr);
    const [comment = "", ...lines] = stdout.trimEnd().split("\n");
    assert.match(comment, version[1] === undefined ? /RabbitMQ 3\.10 or later\./ : /RabbitMQ \d+\.\d+\./);
    return lines;
  };
  const folder = newFolder();
  const common = await print();
  assert.deepEqual(await print("--rabbitmq", "3.10"), common);
  assert.deepEqual(await print("--rabbitmq", "3.12.14"), common);
  const since313 = [
    ...common,
    "auth_oauth2.verify_aud = true",
    "auth_oauth2.preferred_username_claims.1 = sub",
  ];
  assert.deepEqual(await print("--rabbitmq", "3.13"), since313);
  assert.deepEqual(await print("--rabbitmq", "4.0"), since313);
  assert.deepEqual(await print("--rabbitmq", "4.3.6"), [...since313, "auth_oauth2.require_exp = true"]);
});

test("rabbitmq-config rejects a version that it does not know, and names the others", async () => {
  const file = withKeys({ active: newKey("EdDSA") });
  const cwd = newFolder();
  for (const version of ["3.9", "4", "4.30", "latest", ""]) {
    const ended = await runCli(["rabbitmq-config", "--config", file, "--rabbitmq", version], { cwd });
    assert.deepEqual([ended.code, ended.stdout], [2, ""], version);
    assert.match(ended.stderr, /It must be one of 3\.10, 3\.11, 3\.12, 3\.13, 4\.0, 4\.1, 4\.2, 4\.3\./);
    assert.deepEqual(readdirSync(cwd), []);
  }
});

test("rabbitmq-config names what is missing", async () => {
  const active = newKey();
  for (const [file, args, code, message] of [
    [withKeys({ active }, {}), [], 78, /broker_settings: is missing: authmq issues no broker tokens/],
    [withKeys({ active: newKey("HS256") }), [], 78, /broker_settings: cannot be used with HS256/],
    [
      withKeys({ active }),
      ["--key-dir", "/nowhere"],
      1,
      /cannot write to \/nowhere: ENOENT.*create the folder/,
    ],
  ] as const) {
    const cwd = newFolder();
    const ended = await runCli(["rabbitmq-config", "--config", file, ...args], { cwd });
    assert.deepEqual([ended.code, ended.stdout], [code, ""]);
    assert.match(ended.stderr, message);
    assert.deepEqual(readdirSync(cwd), []);
  }
});
