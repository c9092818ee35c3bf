import { rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { z } from "zod";
import { type Reencrypted, reencryptSecrets } from "../../auth/second-factor/reencrypt.ts";
import { encryptionKeyId } from "../../auth/second-factor/secret-box.ts";
import type { EncryptionConfig } from "../../config/encryption.ts";
import { generateSecret } from "../../config/generate-key.ts";
import { type Config, loadConfig, parseConfig, readConfigObject } from "../../config/load.ts";
import { encryptionKeys } from "../../config/sections/encryption.ts";
import type { SecretSetting } from "../../config/sections/jwt.ts";
import { type KeyUse, readKeyUse } from "../../db/queries/encrypted-secrets.ts";
import { messageOf } from "../../errors.ts";
import { ExitError } from "../exit.ts";
import { openMigratedDatabase } from "../open-database.ts";
import { type FileAccess, fileAccessOf, newKeyName, writeKeyFile } from "./key-files.ts";
import { replaceFile } from "./replace-file.ts";

type Ring = z.output<typeof encryptionKeys>;

/** Variables that override keys; names are read without regard to case. */
const OVERRIDE = /^AUTHMQ__ENCRYPTION_KEYS(?:_|$)/i;

/** The command that finishes a rotation. */
export const FINISH = "authmq keys rotate --secrets --rows-only";

/** The result of making a key. */
export interface NewKey {
  readonly isMade: boolean;
  /** How many secrets retiring keys still encrypt, which is why no key was made. */
  readonly left: number;
  /** Key files that the configuration no longer names. */
  readonly unused: readonly string[];
}

/** The result of encrypting the secrets again. */
export interface NewRows extends Reencrypted {
  /** The keys of the configuration, the active one first, with the number of their secrets. */
  readonly keys: readonly { readonly id: string; readonly secrets: number }[];
  /** Keys in use that the configuration does not have. */
  readonly unknown: readonly { readonly id: string; readonly use: KeyUse }[];
}

/** Throws ExitError if the configuration file does not decide about the keys. */
export function rejectOverride(): void {
  const override = Object.keys(process.env).find((name) => OVERRIDE.test(name));
  if (override !== undefined)
    throw new ExitError(1, `${override} overrides the file: rotate the keys at the source of this variable`);
}

/**
 * Makes a new active key in the configuration file; the previous one retires. Makes none while secrets are encrypted with
 * retiring keys, and so never drops a key that is in use. If it throws, nothing has changed.
 */
export async function makeEncryptionKey(file: string): Promise<NewKey> {
  const created: string[] = [];
  let result: NewKey = { isMade: false, left: 0, unused: [] };
  try {
    await replaceFile(file, async () => {
      const raw = readConfigObject(file);
      const folder = dirname(resolve(file));
      const before = raw["encryption_keys"] === undefined ? undefined : await readRing(file, raw);
      if (before !== undefined && before.left > 0) {
        result = { isMade: false, left: before.left, unused: [] };
        return undefined;
      }
      const ring = before?.ring;
      const after: Ring = {
        active: createKey(folder, fileAccessOf(ring?.active, file), created),
        retiring: ring === undefined ? [] : [ring.active],
      };
      const next = { ...raw, encryption_keys: after };
      parseConfig(next, { keys: true, folder });
      result = { isMade: true, left: 0, unused: unusedFiles(ring?.retiring ?? [], after, folder) };
      return `${JSON.stringify(next, null, 2)}\n`;
    });
    return result;
  } catch (error) {
    for (const path of created) rmSync(path, { force: true });
    throw error;
  }
}

/** Encrypts all secrets in the database with the active key of the configuration. */
export async function encryptRows(file: string | undefined): Promise<NewRows> {
  const { db, encryption } = loadConfig(file, { keys: true });
  if (encryption === undefined) throw new ExitError(1, "there are no encryption_keys in the configuration");
  await using database = await openMigratedDatabase(db);
  const done = await reencryptSecrets(database, encryption);
  const use = await readKeyUse(database);
  const ids = idsOf(encryption);
  return {
    ...done,
    keys: ids.map((id) => ({ id, secrets: use.get(id)?.secrets ?? 0 })),
    unknown: [...use].flatMap(([id, one]) => (ids.includes(id) ? [] : { id, use: one })),
  };
}

/** Like `encryptRows`, after a key was made: the error of a database says how to finish. */
export async function finishRotation(file: string): Promise<NewRows> {
  try {
    return await encryptRows(file);
  } catch (error) {
    throw new ExitError(
      1,
      `the new key is in the configuration, but not all secrets are encrypted with it: ${messageOf(error)}. Factors keep ` +
        `working once all workers are reloaded (kill -HUP). To finish, run "${FINISH}"`,
      { cause: error },
    );
  }
}

/** The keys in the file, and how many secrets the retiring ones still encrypt. */
async function readRing(
  file: string,
  raw: Readonly<Record<string, unknown>>,
): Promise<{ readonly ring: Ring; readonly left: number }> {
  const { db, encryption }: Config = loadConfig(file, { keys: true });
  await using database = await openMigratedDatabase(db);
  const use = await readKeyUse(database);
  const retiring = (encryption?.retiring ?? []).map((key) => use.get(encryptionKeyId(key))?.secrets ?? 0);
  return {
    ring: encryptionKeys.parse(raw["encryption_keys"]),
    left: retiring.reduce((sum, secrets) => sum + secrets, 0),
  };
}

function createKey(folder: string, access: FileAccess, created: string[]): SecretSetting {
  const name = `${newKeyName("encryption-key")}.txt`;
  writeKeyFile(join(folder, name), generateSecret("HS256").secret, access, created);
  return { type: "keyfile", value: name };
}

/** The files of dropped keys that no other key shares. */
function unusedFiles(dropped: readonly SecretSetting[], { retiring }: Ring, folder: string): string[] {
  const used = retiring.map(({ value }) => resolve(folder, value));
  return dropped.flatMap(({ type, value }) =>
    type === "keyfile" && !used.includes(resolve(folder, value)) ? value : [],
  );
}

function idsOf({ active, retiring }: EncryptionConfig): string[] {
  return [active, ...retiring].map(encryptionKeyId);
}
