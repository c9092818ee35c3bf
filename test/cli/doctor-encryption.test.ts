import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { folderWith, runCli } from "../support/cli.ts";
import { diagnose } from "../support/doctor.ts";
import { DATABASES } from "../support/worker.ts";
import { installFactors, newEncryptionKey } from "./encrypted-factors.ts";

for (const database of DATABASES)
  test(`doctor on ${database} finds secrets under retiring and missing keys`, async () => {
    const [active, retiring, lost] = [newEncryptionKey(), newEncryptionKey(), newEncryptionKey()];
    const encryption_keys = { active: active.setting, retiring: [retiring.setting] };
    await using installed = await installFactors(database, encryption_keys);
    const { raw } = installed;
    await installed.add(2, active.key);
    const good = await diagnose(raw);
    assert.match(good.of("keys"), new RegExp(`^ok: encryption key ${active.id}, 1 retiring$`, "m"));
    assert.doesNotMatch(good.of("database"), /TOTP/);

    await installed.add(1, retiring.key);
    const late = await diagnose(raw);
    assert.match(
      late.of("database"),
      new RegExp(
        `^warn: 1 TOTP secret is still encrypted with the retiring key ${retiring.id} \\| .*: ` +
          "authmq keys rotate --secrets --rows-only$",
        "m",
      ),
    );

    await installed.add(3, lost.key);
    const missing = `3 TOTP secrets are encrypted with the key ${lost.id}, which is not in encryption_keys: of alice`;
    const found = await diagnose(raw);
    assert.equal(found.code, 1);
    assert.match(
      found.of("database"),
      new RegExp(`^fail: ${missing} \\| Add that key to .*retiring\\.`, "m"),
    );
    const app_config = { ...raw["app_config"], second_factor: "off" };
    const off = await diagnose({ ...raw, app_config });
    assert.match(off.of("database"), new RegExp(`^warn: ${missing}`, "m"));
  });

test("doctor exits with 78 if an encryption key is missing or unusable, and says what to do", async () => {
  const app_config = { second_factor: "optional" };
  const secret = { type: "plain", value: "of-the-tokens-0123456789-abcdefgh" };
  const jwt_creation = { issuer: "authmq", signmethod: "HS256", secret };
  for (const [section, message] of [
    [{}, /^authmq: encryption_keys: is missing, .*"authmq keys rotate --secrets"$/m],
    [
      { encryption_keys: { active: { type: "keyfile", value: "gone.txt" } } },
      /^authmq: encryption_keys\.active: cannot read the key file: it does not exist/m,
    ],
  ] as const) {
    const cwd = folderWith({ jwt_creation, app_config, ...section });
    const { code, stderr } = await runCli(["doctor"], { cwd });
    assert.equal(code, 78);
    assert.match(stderr, message);
  }
});

test("doctor warns of an encryption key that other users can read, or that looks typed", async () => {
  await using installed = await installFactors("sqlite", newRing("key.txt"));
  const path = join(installed.cwd, "key.txt");
  writeFileSync(path, "this is a secret of 32 bytes, ok");
  chmodSync(path, 0o644);
  const { stdout } = await runCli(["doctor"], { cwd: installed.cwd });
  assert.match(stdout, /^warn {2}keys .*key\.txt is accessible to other users \(mode 644\)/m);
  assert.match(stdout, /^warn {2}keys {11}the encryption key [0-9a-f]{16} looks typed by hand/m);
  assert.doesNotMatch(stdout, /this is a secret/);
});

function newRing(value: string) {
  return { active: { type: "keyfile", value } };
}
