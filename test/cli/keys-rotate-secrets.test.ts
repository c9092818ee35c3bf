import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync, watch } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { reencryptSecrets } from "../../src/auth/second-factor/reencrypt.ts";
import { createSecretBox, totpPurpose } from "../../src/auth/second-factor/secret-box.ts";
import { listSecretsUnder, replaceSecret } from "../../src/db/queries/encrypted-secrets.ts";
import { type Ended, runCli, startCli } from "../support/cli.ts";
import { startProxy } from "../support/proxy.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { DATABASES } from "../support/worker.ts";
import { installFactors, newEncryptionKey, plainOf, sealFor } from "./encrypted-factors.ts";

const rotate = (cwd: string, ...args: string[]): Promise<Ended> =>
  runCli(["keys", "rotate", "--secrets", ...args], { cwd });

const keyFiles = (cwd: string): string[] =>
  readdirSync(cwd).filter((name) => name.startsWith("encryption-key-"));

for (const database of DATABASES)
  describe(`keys rotate --secrets on ${database}`, () => {
    test("makes a key, encrypts all secrets with it, and later drops the keys that none uses", async () => {
      const first = newEncryptionKey();
      await using installed = await installFactors(database, { active: first.setting });
      const { cwd, file } = installed;
      const ring = () => installed.ring();
      await installed.add(120, first.key);
      const { code, stdout, stderr } = await rotate(cwd);
      assert.equal(code, 0, stderr);
      assert.match(
        stdout,
        new RegExp(
          "^made a new encryption key\\n120 secrets are now encrypted with the active key\\n" +
            `active {4}[0-9a-f]{16} {2}120\\nretiring {2}${first.id} {2}0\\n$`,
        ),
      );
      assert.match(stderr, /^Next: reload all workers/);
      const made = ring().active;
      assert.match(made.value, /^encryption-key-\d{4}-\d\d-\d\d-[0-9a-f]{6}\.txt$/);
      assert.deepEqual(ring().retiring, [first.setting]);
      for (const path of [file, join(cwd, made.value)])
        assert.equal(statSync(path).mode & 0o777, 0o600, path);
      await installed.assertReadable();
      assert.deepEqual(Object.values(await installed.counts()), [120]);

      const second = await rotate(cwd);
      assert.equal(second.code, 0, second.stderr);
      assert.deepEqual(ring().retiring, [made]);
      assert.doesNotMatch(second.stderr, /no longer used/, "the first key was no file");
      await installed.assertReadable();
      const third = await rotate(cwd);
      assert.match(
        third.stderr,
        new RegExp(`^${made.value} is no longer used: remove it when no backup`, "m"),
      );
      await installed.assertReadable();
    });

    test("continues after it was killed between two batches, and makes no new key until that is finished", async () => {
      const first = newEncryptionKey();
      await using installed = await installFactors(database, { active: first.setting });
      const { cwd } = installed;
      await installed.add(4000, first.key);
      const child = startCli(["keys", "rotate", "--secrets"], { cwd });
      const ended = once(child, "exit");
      const begun = async () => Object.keys(await installed.counts()).length > 1 || undefined;
      await waitUntil("the first batch", begun, { seconds: 60 });
      child.kill("SIGKILL");
      await ended;
      const { [first.id]: left = 0, ...others } = await installed.counts();
      assert.ok(left > 0 && Object.values(others)[0]! > 0, `${left} left of 4000: killed too late`);
      await installed.assertReadable();
      const made = installed.ring();

      const onlyKey = await rotate(cwd, "--key-only");
      assert.equal(onlyKey.code, 1);
      assert.match(
        onlyKey.stderr,
        new RegExp(
          `made no new key, because ${left} secrets are still .*: run "authmq keys .* --rows-only" first`,
        ),
      );
      const next = await rotate(cwd);
      assert.equal(next.code, 0, next.stderr);
      assert.match(
        next.stdout,
        new RegExp(
          `^made no new key, because ${left} secrets .* retiring key\\n${left} secrets are now encrypted`,
        ),
      );
      assert.deepEqual(installed.ring(), made);
      assert.deepEqual([Object.values(await installed.counts()), keyFiles(cwd).length], [[4000], 1]);
      await installed.assertReadable();
      assert.equal(existsSync(`${installed.file}.lock`), false);
    });

    test("--key-only leaves the database, --rows-only makes no key", async () => {
      const first = newEncryptionKey();
      await using installed = await installFactors(database, { active: first.setting });
      await installed.add(3, first.key);
      const key = await rotate(installed.cwd, "--key-only");
      assert.deepEqual([key.code, key.stdout], [0, "made a new encryption key\n"], key.stderr);
      assert.match(key.stderr, /copy the configuration and its key files to all hosts, .*--rows-only"\n$/);
      assert.deepEqual(await installed.counts(), { [first.id]: 3 });
      const made = installed.ring();
      for (const done of [3, 0]) {
        const rows = await rotate(installed.cwd, "--rows-only");
        assert.equal(rows.code, 0, rows.stderr);
        assert.match(
          rows.stdout,
          new RegExp(`^${done} secrets are now encrypted with the active key\nactive`),
        );
      }
      assert.deepEqual(installed.ring(), made);
      await installed.assertReadable();
    });

    test("names what it cannot encrypt, and fails", async () => {
      const [first, lost] = [newEncryptionKey(), newEncryptionKey()];
      await using installed = await installFactors(database, { active: first.setting });
      const [id = 0n, other = 0n] = await installed.add(3, first.key);
      await installed.add(2, lost.key);
      const { sealed: secret } = sealFor(other, first.key);
      await installed.db.updateTable("factor").set({ secret }).where("factor_id", "=", id).execute();
      for (const left of [2, 0]) {
        const { code, stdout, stderr } = await rotate(installed.cwd);
        assert.equal(code, 1);
        assert.match(stdout, new RegExp(`${left} secrets are now encrypted`));
        assert.match(
          stderr,
          new RegExp(
            `^Next: reload all workers .*\nauthmq: the secret of the factor ${id} of alice is damaged: remove it`,
          ),
        );
        assert.match(
          stderr,
          new RegExp(
            `^authmq: 2 secrets are encrypted with the key ${lost.id}, .* encryption_keys\\.retiring \\(of alice\\)$`,
            "m",
          ),
        );
      }
      assert.deepEqual(
        installed.ring().retiring,
        [first.setting],
        "the damaged secret may still be restored",
      );
    });

    test("a secret that changes at the same time keeps the change, a removed factor stays removed", async () => {
      const [first, second] = [newEncryptionKey(), newEncryptionKey()];
      await using installed = await installFactors(database, undefined, (raw) => ({
        ...raw,
        encryption_keys: { active: second.setting, retiring: [first.setting] },
      }));
      const { db } = installed;
      const [changed = 0n, removed = 0n, ...rest] = await installed.add(600, first.key);
      const rows = await listSecretsUnder(db, [first.id], { after: -1n, limit: 2 });
      const stale = sealFor(changed, first.key);
      await db.updateTable("factor").set({ secret: stale.sealed }).where("factor_id", "=", changed).execute();
      await db.deleteFrom("factor").where("factor_id", "=", removed).execute();
      for (const before of rows)
        assert.equal(
          await replaceSecret(db, before.id, { before, next: sealFor(before.id, second.key) }),
          false,
        );
      assert.deepEqual(await installed.counts(), { [first.id]: 599 });

      const keys = { active: second.key, retiring: [first.key] };
      const [{ damaged }] = await Promise.all([
        reencryptSecrets(db, keys),
        (async () => {
          for (const id of rest.filter((_, index) => index % 7 === 0)) {
            const { sealed, keyId } = sealFor(id, first.key, Buffer.from(`changed ${id}`));
            await db
              .updateTable("factor")
              .set({ secret: sealed, secret_key_id: keyId })
              .where("factor_id", "=", id)
              .execute();
          }
        })(),
      ]);
      assert.deepEqual(damaged, []);
      await reencryptSecrets(db, keys);
      assert.deepEqual(await installed.counts(), { [second.id]: 599 });
      const box = createSecretBox(keys);
      for (const [index, id] of rest.entries()) {
        const [row] = await listSecretsUnder(db, [second.id], { after: id - 1n, limit: 1 });
        assert.equal(row?.id, id);
        const plain = await box.open(row.keyId, row.sealed, totpPurpose(id));
        assert.deepEqual(
          plain,
          index % 7 === 0 ? Buffer.from(`changed ${id}`) : plainOf(id),
          "another secret",
        );
      }
    });
  });

test("makes the first key, as the fault of a missing one says, without a database", async () => {
  await using installed = await installFactors("sqlite", undefined, (raw) => ({
    ...raw,
    db_settings: { dialect: "sqlite", file: "/nowhere/authmq.db" },
  }));
  const { cwd } = installed;
  const check = await runCli(["config", "check"], { cwd });
  assert.equal(check.code, 78);
  assert.match(check.stderr, /encryption_keys: is missing, .* "authmq keys rotate --secrets"$/m);
  const { code, stdout, stderr } = await rotate(cwd, "--key-only");
  assert.deepEqual([code, stdout], [0, "made a new encryption key\n"], stderr);
  assert.deepEqual(installed.ring().retiring, []);
  assert.equal((await runCli(["config", "check"], { cwd })).stdout, "ok\n");
});

describe("a failed keys rotate --secrets changes nothing and leaves no files", () => {
  for (const [what, args, env, code, message] of [
    [
      "if variables have the keys",
      [],
      { AUTHMQ__ENCRYPTION_KEYS__ACTIVE__TYPE: "plain" },
      1,
      /overrides the file/,
    ],
    [
      "if the configuration is invalid",
      [],
      { AUTHMQ__LOG_SETTINGS__LEVEL: "loud" },
      78,
      /LOG_SETTINGS__LEVEL/,
    ],
    ["if the database is not there", [], { AUTHMQ__DB_SETTINGS__FILE: "/nowhere/a.db" }, 1, /unable to open/],
    ["with an option for signing keys", ["--alg", "ES256"], {}, 2, /cannot be used with/],
    ["with both other options", ["--key-only", "--rows-only"], {}, 2, /cannot be used with/],
  ] as const)
    test(what, async () => {
      await using installed = await installFactors("sqlite", { active: newEncryptionKey().setting });
      const before = readFileSync(installed.file, "utf8");
      const ended = await runCli(["keys", "rotate", "--secrets", ...args], { cwd: installed.cwd, env });
      assert.equal(ended.code, code, ended.stderr);
      assert.match(ended.stderr, message);
      assert.equal(ended.stdout, "");
      assert.equal(readFileSync(installed.file, "utf8"), before);
      assert.deepEqual(readdirSync(installed.cwd), ["config.json"]);
    });

  test("without --secrets, its options are errors", async () => {
    const { code, stderr } = await runCli(["keys", "rotate", "--rows-only"]);
    assert.equal(code, 2);
    assert.match(stderr, /--key-only and --rows-only need --secrets/);
  });
});

test("a database that fails after the new key was written: the command says how to finish", async () => {
  const first = newEncryptionKey();
  const target = { port: 0 };
  await using installed = await installFactors("mysql", { active: first.setting }, (raw) => {
    target.port = Number(raw["db_settings"]?.["port"]);
    return raw;
  });
  const { cwd, file } = installed;
  await using proxy = await startProxy(target.port);
  await installed.add(2000, first.key);
  const env = { AUTHMQ__DB_SETTINGS__HOST: "127.0.0.1", AUTHMQ__DB_SETTINGS__PORT: String(proxy.port) };
  const before = readFileSync(file, "utf8");
  const watcher = watch(cwd, () => {
    if (readFileSync(file, "utf8") !== before) proxy.cut();
  });
  const { code, stdout, stderr } = await runCli(["keys", "rotate", "--secrets"], { cwd, env });
  watcher.close();
  assert.deepEqual([code, stdout], [1, "made a new encryption key\n"], stderr);
  assert.match(
    stderr,
    /^authmq: the new key is in the configuration, but not all secrets .*: database: .* run "authmq keys rotate --secrets --rows-only"/,
  );
  await installed.assertReadable();
  proxy.restore();
  const finished = await runCli(["keys", "rotate", "--secrets", "--rows-only"], { cwd, env });
  assert.equal(finished.code, 0, finished.stderr);
  assert.equal((await installed.counts())[first.id], undefined);
  await installed.assertReadable();
});
