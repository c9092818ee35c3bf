import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { generateSecret } from "../../src/config/generate-key.ts";
import { folderWith, startCli } from "../support/cli.ts";
import { provision } from "../support/worker.ts";

const MSG = "a file with secrets is readable by other users";

interface Warning {
  readonly level: number;
  readonly msg: string;
  readonly file: string;
  readonly mode: string;
  readonly advice: string;
}

test("serve warns at its start of each file with secrets that other users can read, and of no other", async () => {
  const { raw, cleanUp } = await provision();
  const other = { name: "other", secret: { type: "keyfile", value: "shared.key" }, methods: ["HS256"] };
  const partner = { name: "partner", secret: { type: "keyfile", value: "partner.pub" }, methods: ["EdDSA"] };
  const secret = { type: "keyfile", value: "signing.pem" };
  const cwd = folderWith({
    ...raw,
    jwt_creation: { ...raw["jwt_creation"], secret },
    jwt_validation: [other, partner],
  });
  writeFileSync(join(cwd, "signing.pem"), generateSecret("EdDSA").secret);
  writeFileSync(join(cwd, "shared.key"), generateSecret("HS256").secret);
  writeFileSync(join(cwd, "partner.pub"), generateSecret("EdDSA").publicKey ?? "");
  const warnings = async (): Promise<Warning[]> => {
    const worker = startCli(["serve", "--migrate"], { cwd });
    worker.stderr.on("data", (chunk: Buffer) => {
      if (chunk.includes('"msg":"ready"')) worker.kill("SIGTERM");
    });
    const [log] = await Promise.all([text(worker.stderr), once(worker, "exit")]);
    assert.equal(worker.exitCode, 0, log);
    const lines = log
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Warning);
    return lines.filter(({ msg }) => msg === MSG);
  };

  const modes = { "config.json": 0o640, "signing.pem": 0o604, "shared.key": 0o666, "partner.pub": 0o644 };
  for (const [name, mode] of Object.entries(modes)) chmodSync(join(cwd, name), mode);
  const found = await warnings();
  assert.deepEqual(
    found.map(({ level, file, mode }) => [level, file, mode]),
    [
      [40, join(cwd, "config.json"), "640"],
      [40, join(cwd, "signing.pem"), "604"],
      [40, join(cwd, "shared.key"), "666"],
    ],
  );
  for (const { file, advice } of found) assert.ok(advice.endsWith(`chmod 600 ${file}`), advice);

  for (const name of Object.keys(modes)) chmodSync(join(cwd, name), 0o600);
  assert.deepEqual(await warnings(), []);
  await cleanUp();
});
