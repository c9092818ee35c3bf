import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { newFolder, runCli } from "../support/cli.ts";
import { timeFromNow, newKey } from "../support/key-ring.ts";
import { edit, install, read } from "./installation.ts";

async function rotate(cwd: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(["keys", "rotate", ...args], { cwd });
  assert.equal(code, 0, stderr);
  assert.equal((await runCli(["config", "check"], { cwd })).stdout, "ok\n");
  return stdout;
}

/** Makes the file of the next key look this many minutes old. */
function age(cwd: string, file: string, minutes: number): void {
  const then = new Date(Date.now() - minutes * 60_000);
  utimesSync(join(cwd, read(file).jwt_creation.keys.next?.value ?? ""), then, then);
}

describe("keys rotate", () => {
  test("first creates a next key, and later activates it", async () => {
    const { cwd, file } = await install();
    const first = (await rotate(cwd)).trimEnd().split("\n");
    assert.match(first[0] ?? "", /^active {4}EdDSA {2}[\w-]{43}$/);
    assert.match(first[1] ?? "", /^next {6}EdDSA {2}[\w-]{43}$/);
    assert.equal(first.length, 2);
    assert.equal(read(file).jwt_creation.secret, undefined);
    const kidOf = (line = ""): string | undefined => line.split(/ +/)[2];
    age(cwd, file, 10);
    const second = (await rotate(cwd)).trimEnd().split("\n");
    assert.deepEqual([kidOf(second[0]), kidOf(second[2])], [kidOf(first[1]), kidOf(first[0])]);
    assert.match(second[2] ?? "", /^retiring {2}EdDSA .* until \d{4}-.*Z$/);
    const { keys, fingerprint_key } = read(file).jwt_creation;
    assert.equal(fingerprint_key?.value, "signing-key.pem");
    // The lifetime of ID tokens (a day), and an hour to reload all workers.
    const lasting = Date.parse(keys.retiring?.[0]?.until ?? "") - Date.now();
    assert.ok(Math.abs(lasting - 25 * 3_600_000) < 60_000, String(lasting));
    const names = readdirSync(cwd).filter((name) => name.startsWith("signing-key-"));
    assert.equal(names.filter((name) => name.endsWith(".pub.pem")).length, 2);
    assert.equal(names.length, 4);
    for (const name of names)
      assert.equal(statSync(join(cwd, name)).mode & 0o777, name.endsWith(".pub.pem") ? 0o644 : 0o600);
  });

  test("refuses to activate a key that verifiers may not have fetched yet, except with --now", async () => {
    const { cwd, file } = await install();
    await rotate(cwd);
    const before = readFileSync(file, "utf8");
    age(cwd, file, 8);
    const { code, stderr } = await runCli(["keys", "rotate"], { cwd });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /only 8 minutes old, .* reload all workers \(SIGHUP\), and rotate in 2 minutes, or use --now/,
    );
    assert.equal(readFileSync(file, "utf8"), before);
    await rotate(cwd, "--now");
    assert.notEqual(readFileSync(file, "utf8"), before);
  });

  test("--now activates a key that was just created", async () => {
    const { cwd, file } = await install();
    await rotate(cwd, "--now");
    const { keys } = read(file).jwt_creation;
    assert.match(keys.active.value, /^signing-key-\d{4}-\d\d-\d\d-[0-9a-f]{6}\.pem$/);
    assert.equal(keys.retiring?.[0]?.value, "signing-key.pem");
  });

  test("--alg changes the algorithm of new keys, which the next rotations keep", async () => {
    const { cwd, file } = await install();
    await rotate(cwd, "--alg", "ES256");
    assert.equal(read(file).jwt_creation.signmethod, "EdDSA");
    await rotate(cwd, "--now");
    assert.equal(read(file).jwt_creation.signmethod, "ES256");
    await rotate(cwd, "--now", "--alg", "HS256");
    const { keys } = read(file).jwt_creation;
    assert.deepEqual([keys.active.signmethod, keys.next?.signmethod], ["ES256", "HS256"]);
    assert.match(await rotate(cwd, "--now"), /^active {4}HS256 {2}-\nnext {6}HS256 {2}-\n/);
  });

  test("--compromised replaces all keys, and later rotations work", async () => {
    const { cwd, file } = await install();
    await rotate(cwd, "--now");
    const before = read(file).jwt_creation;
    const { code, stderr } = await runCli(["keys", "rotate", "--compromised"], { cwd });
    assert.equal(code, 0);
    const after = read(file).jwt_creation;
    assert.deepEqual([after.fingerprint_key, after.keys.retiring], [undefined, []]);
    const old = [before.keys.active, before.keys.next, ...(before.keys.retiring ?? [])];
    for (const key of old) {
      assert.ok(
        ![after.keys.active.value, after.keys.next?.value].includes(key?.value),
        "an old key is in the new ring",
      );
      assert.equal(stderr.split(`${key?.value} is no longer used: remove it\n`).length, 2);
    }
    await rotate(cwd, "--now");
    assert.equal(read(file).jwt_creation.fingerprint_key?.value, after.keys.active.value);
    const both = await runCli(["keys", "rotate", "--compromised", "--now"], { cwd });
    assert.equal(both.code, 2);
  });

  test("keeps the algorithm of each key, also if the key inherits it from the section", async () => {
    const { cwd, file } = await install();
    const [active, { type, value }] = [newKey("RS256"), newKey("RS256")];
    const keys = {
      active: { type: active.type, value: active.value },
      next: newKey("PS256"),
      retiring: [{ type, value, until: timeFromNow(3_600_000) }],
    };
    edit(file, (config) => ({
      ...config,
      jwt_creation: { issuer: "authmq", signmethod: "RS256", keys },
    }));
    const states = (await rotate(cwd)).split("\n").map((line) => line.split(/ +/).slice(0, 2));
    assert.deepEqual(states.slice(0, 4), [
      ["active", "PS256"],
      ["next", "PS256"],
      ["retiring", "RS256"],
      ["retiring", "RS256"],
    ]);
  });

  test("does not suggest to remove a key file that still verifies another issuer's tokens", async () => {
    const { cwd, file } = await install();
    writeFileSync(join(cwd, "shared.txt"), "of-two-installations-0123456789abcdef");
    edit(file, (config) => ({
      ...config,
      jwt_creation: {
        issuer: "authmq",
        signmethod: "HS256",
        secret: { type: "keyfile", value: "shared.txt" },
      },
      jwt_validation: [
        { name: "partner", secret: { type: "keyfile", value: "./shared.txt" }, methods: ["HS256"] },
      ],
    }));
    const { code, stderr } = await runCli(["keys", "rotate", "--compromised"], { cwd });
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /shared\.txt/);
  });

  test("drops retired keys, and this installation's entry in jwt_validation", async () => {
    const { cwd, file } = await install();
    const publicKey = { type: "keyfile", value: "signing-key.pub.pem" };
    const [old, late] = [newKey("ES256"), newKey("RS256")];
    const active = { type: "keyfile", value: "signing-key.pem" };
    const retiring = [
      { ...old, until: timeFromNow(-1000) },
      { ...late, until: timeFromNow(3_600_000) },
    ];
    edit(file, (config) => ({
      ...config,
      jwt_creation: { issuer: "authmq", signmethod: "EdDSA", keys: { active, retiring } },
      jwt_validation: ["authmq", "partner"].map((name) => ({ name, secret: publicKey, methods: ["EdDSA"] })),
    }));
    await rotate(cwd, "--now");
    const { jwt_creation, jwt_validation } = read(file);
    assert.deepEqual(
      jwt_creation.keys.retiring?.map(({ value }) => value),
      ["signing-key.pem", late.value],
    );
    assert.deepEqual(
      jwt_validation?.map(({ name }) => name),
      ["partner"],
    );
  });

  test("keeps mode, owner and symbolic link of the configuration, and writes keys beside the link", async () => {
    const { cwd, file } = await install();
    const elsewhere = newFolder();
    const target = join(elsewhere, "shared.json");
    writeFileSync(target, readFileSync(file));
    const linked = newFolder();
    for (const name of ["signing-key.pem", "encryption-key.txt", "common-passwords.txt"])
      writeFileSync(join(linked, name), readFileSync(join(cwd, name)), { mode: 0o600 });
    symlinkSync(target, join(linked, "config.json"));
    chmodSync(target, 0o640);
    chmodSync(join(linked, "signing-key.pem"), 0o640);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) for (const path of [target, join(linked, "signing-key.pem")]) chownSync(path, 1234, 1235);
    await rotate(linked);
    assert.equal(readlinkSync(join(linked, "config.json")), target);
    const next = read(target).jwt_creation.keys.next?.value ?? "";
    for (const path of [target, join(linked, next)]) {
      const { mode, uid, gid } = statSync(path);
      assert.equal(mode & 0o777, 0o640, path);
      if (isRoot) assert.deepEqual([uid, gid], [1234, 1235]);
    }
    assert.deepEqual(readdirSync(elsewhere), ["shared.json"]);
  });

  test("gives a new key file the mode of the configuration that contains the active key", async () => {
    const { cwd, file } = await install();
    edit(file, (config) => ({
      ...config,
      jwt_creation: { issuer: "authmq", signmethod: "EdDSA", keys: { active: newKey("EdDSA") } },
    }));
    chmodSync(file, 0o640);
    await rotate(cwd);
    const next = read(file).jwt_creation.keys.next?.value ?? "";
    assert.equal(statSync(join(cwd, next)).mode & 0o777, 0o640);
  });

  test("uses other settings from the environment, and does not write them to the file", async () => {
    const { cwd, file } = await install();
    edit(file, (config) => ({ ...config, db_settings: { database: "auth", user: "auth" } }));
    const env = { AUTHMQ__DB_SETTINGS__PASSWORD: "of-the-database-only" };
    const { code, stderr } = await runCli(["keys", "rotate"], { cwd, env });
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(readFileSync(file, "utf8"), /of-the-database-only/);
  });

  test("replaces the configuration atomically: a reader never sees half a file", async () => {
    const { cwd, file } = await install();
    const seen = new Set<string>();
    const done = new AbortController();
    const reader = (async () => {
      for (; !done.signal.aborted; await turn()) seen.add(readFileSync(file, "utf8"));
    })();
    for (let count = 0; count < 3; count++) await rotate(cwd, "--now");
    done.abort();
    await reader;
    for (const text of seen) JSON.parse(text);
    assert.ok(seen.size >= 3 && seen.size <= 4, String(seen.size));
  });

  test("concurrent rotations each fail or run one after the other", async () => {
    const { cwd, file } = await install();
    const ended = await Promise.all([1, 2, 3].map(() => runCli(["keys", "rotate", "--now"], { cwd })));
    for (const { code, stderr } of ended)
      if (code !== 0) assert.match(stderr, /config\.json\.lock exists: another rotation is running/);
    const done = ended.filter(({ code }) => code === 0).length;
    assert.ok(done >= 1, ended.map(({ stderr }) => stderr).join(""));
    assert.equal(read(file).jwt_creation.keys.retiring?.length, done);
    const named = JSON.stringify(read(file));
    for (const name of readdirSync(cwd))
      if (/^signing-key-[0-9a-f-]*\.pem$/.test(name)) assert.ok(named.includes(name), name);
    assert.equal((await runCli(["config", "check"], { cwd })).code, 0);
  });
});
