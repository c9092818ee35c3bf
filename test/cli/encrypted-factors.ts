import assert from "node:assert/strict";
import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createSecretBox, encryptionKeyId, totpPurpose } from "../../src/auth/second-factor/secret-box.ts";
import { type Config, loadConfig } from "../../src/config/load.ts";
import { type Database, openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { readKeyUse } from "../../src/db/queries/encrypted-secrets.ts";
import { createUser } from "../../src/db/queries/users.ts";
import { toSqlTime } from "../../src/db/time.ts";
import { noteSecret } from "../secrets/notes.ts";
import { folderWith } from "../support/cli.ts";
import { type DatabaseKind, provision } from "../support/worker.ts";

type Raw = Record<string, Record<string, unknown>>;

interface GivenKey {
  readonly type: string;
  readonly value: string;
}

interface KeyRing {
  readonly active: GivenKey;
  readonly retiring?: readonly GivenKey[];
}

/** An installation with an account that has many TOTP secrets, and no worker. */
export interface EncryptedFactors extends AsyncDisposable {
  readonly cwd: string;
  readonly file: string;
  readonly raw: Raw;
  readonly db: Database;
  /** The key ring in its file. */
  ring(): KeyRing;
  /** Adds factors, whose secrets this key encrypts; returns their ids. */
  add(count: number, key: KeyObject): Promise<bigint[]>;
  /** The number of secrets under each key. */
  counts(): Promise<Record<string, number>>;
  /** Asserts that the keys of its file open all secrets. */
  assertReadable(): Promise<void>;
}

/** A key, and its form in the configuration. */
export function newEncryptionKey() {
  const bytes = randomBytes(32);
  const key = createSecretKey(bytes);
  return { key, id: encryptionKeyId(key), setting: { type: "base64plain", value: bytes.toString("base64") } };
}

/** The secret that the tests give to a factor. */
export function plainOf(id: bigint): Buffer {
  return Buffer.from(`secret of ${id}`);
}

/** Encrypts the secret of a factor. */
export function sealFor(id: bigint, key: KeyObject, plain = plainOf(id)) {
  return createSecretBox({ active: key, retiring: [] }).seal(plain, totpPurpose(id));
}

/** Creates an installation; `change` changes its configuration file. */
export async function installFactors(
  database: DatabaseKind,
  keys: { readonly active: GivenKey; readonly retiring?: readonly GivenKey[] } | undefined,
  change: (raw: Raw) => Raw = (raw) => raw,
): Promise<EncryptedFactors> {
  const config: Raw = keys === undefined ? {} : { encryption_keys: { ...keys } };
  const { raw, cleanUp } = await provision({
    database,
    config: { ...config, app_config: { second_factor: "optional" } },
  });
  const cwd = folderWith(change(raw));
  const file = join(cwd, "config.json");
  const { db: settings }: Pick<Config, "db"> = loadConfig(join(folderWith(raw), "config.json"), {
    keys: false,
    env: {},
  });
  await migrate(settings);
  const db = openDatabase(settings);
  await createUser(db, {
    username: "alice",
    password_hash: null,
    auth_type: "LDAP",
    email: "alice@example.com",
    activated: true,
  });
  let nextId = 1n;
  return {
    cwd,
    file,
    raw,
    db,
    ring: () => (JSON.parse(readFileSync(file, "utf8")) as { encryption_keys: KeyRing }).encryption_keys,
    async add(count, key) {
      const ids = Array.from({ length: count }, () => nextId++);
      for (let from = 0; from < count; from += 500)
        await db
          .insertInto("factor")
          .values(
            ids.slice(from, from + 500).map((id) => {
              const { sealed, keyId } = sealFor(id, key);
              noteSecret("key", plainOf(id).toString());
              const created_at = toSqlTime(new Date());
              const row = { factor_id: id, user_id: "alice", type: "totp" as const, name: "", created_at };
              return { ...row, confirmed_at: created_at, secret: sealed, secret_key_id: keyId };
            }),
          )
          .execute();
      return ids;
    },
    counts: async () =>
      Object.fromEntries([...(await readKeyUse(db))].map(([id, { secrets }]) => [id, secrets])),
    async assertReadable() {
      const { encryption } = loadConfig(file, { keys: true, env: {} });
      assert.ok(encryption !== undefined, "no keys");
      const box = createSecretBox(encryption);
      for (const row of await db.selectFrom("factor").selectAll().execute()) {
        const id = BigInt(row.factor_id);
        assert.ok(row.secret !== null && row.secret_key_id !== null, `${id} has no secret`);
        const plain = await box.open(row.secret_key_id, row.secret, totpPurpose(id));
        assert.deepEqual(plain, plainOf(id), `another secret of ${id}`);
      }
    },
    async [Symbol.asyncDispose]() {
      await db.destroy();
      await cleanUp();
    },
  };
}
