import { rmSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { generateSecret } from "../../config/generate-key.ts";
import { type Config, loadConfig, parseConfig, readConfigObject } from "../../config/load.ts";
import { issuerSchema, jwtCreation, type SecretSetting, type SignMethod } from "../../config/sections/jwt.ts";
import { keyIdOf } from "../../tokens/jwks.ts";
import { ExitError } from "../exit.ts";
import { type FileAccess, fileAccessOf, newKeyName, writeKeyFile } from "./key-files.ts";
import { replaceFile } from "./replace-file.ts";
import { rotateRing } from "./ring.ts";

/** Verifiers refetch a JWK Set within this time, in milliseconds: workers let it be cached for five minutes. */
const FETCHED_AFTER = 10 * 60_000;

/** Time to reload all workers after a rotation, in milliseconds; later, their tokens are rejected by other workers. */
const RELOAD_WINDOW = 60 * 60_000;

/** Variables that override keys; names are read without regard to case. */
const OVERRIDE = /^AUTHMQ__JWT_(?:CREATION|VALIDATION)(?:_|$)/i;

interface Rotation {
  readonly alg: SignMethod | undefined;
  readonly atOnce: boolean;
  readonly isCompromised: boolean;
}

/** A key of the ring, as shown to the operator. */
export interface RingEntry {
  readonly state: "active" | "next" | "retiring";
  readonly alg: SignMethod;
  readonly kid: string;
  readonly until?: string;
}

/** The result of a rotation. */
export interface Rotated {
  readonly ring: readonly RingEntry[];
  /** Key files that the configuration no longer names. */
  readonly unused: readonly string[];
}

/** Rotates the key ring of a configuration file. If it throws ConfigError or ExitError, nothing has changed. */
export async function rotateKeys(file: string, rotation: Rotation): Promise<Rotated> {
  const override = Object.keys(process.env).find((name) => OVERRIDE.test(name));
  if (override !== undefined)
    throw new ExitError(1, `${override} overrides the file: rotate the keys at the source of this variable`);
  const created: string[] = [];
  try {
    let rotated: Rotated | undefined;
    await replaceFile(file, async () => {
      const config = loadConfig(file, { keys: true });
      const raw = readConfigObject(file);
      const folder = dirname(resolve(file));
      const before = jwtCreation.parse(raw["jwt_creation"]);
      const access = fileAccessOf(before.keys?.active ?? before.secret, file);
      if (!rotation.atOnce && !rotation.isCompromised) rejectNewKey(before.keys?.next, folder);
      const after = rotateRing(before, {
        now: new Date(),
        overlap: longestToken(config) + RELOAD_WINDOW,
        ...rotation,
        makeKey: () => {
          const signmethod = rotation.alg ?? before.keys?.next?.signmethod ?? before.signmethod;
          return { ...createKeyFiles(signmethod, folder, access, created), signmethod };
        },
      });
      const next = { ...raw, jwt_creation: after, ...withoutOwn(raw["jwt_validation"], before.issuer) };
      const checked = parseConfig(next, { keys: true, folder });
      const others = z.array(issuerSchema).default([]).parse(next.jwt_validation);
      const named = [...keyFilesOf(after), ...others.flatMap(({ secret }) => fileOf(secret))];
      const paths = new Set(named.map((name) => resolve(folder, name)));
      const unused = keyFilesOf(before).filter((name) => !paths.has(resolve(folder, name)));
      rotated = { ring: await ringOf(checked), unused };
      return `${JSON.stringify(next, null, 2)}\n`;
    });
    if (rotated === undefined) throw new Error("nothing was rotated");
    return rotated;
  } catch (error) {
    for (const path of created) rmSync(path, { force: true });
    throw error;
  }
}

/** The keys of a configuration, the active one first. */
async function ringOf({ signing }: Config): Promise<RingEntry[]> {
  if (signing === undefined) return [];
  const entry = async (state: RingEntry["state"], { key, method }: typeof signing): Promise<RingEntry> => ({
    state,
    alg: method,
    kid: (await keyIdOf(key)) ?? "-",
  });
  const reserve = signing.reserve.map(async (one) => {
    const key = await entry(one.until === undefined ? "next" : "retiring", { ...signing, ...one });
    return one.until === undefined ? key : { ...key, until: one.until.toISOString() };
  });
  return [await entry("active", signing), ...(await Promise.all(reserve))];
}

/** Throws if verifiers may not have fetched the next key yet. */
function rejectNewKey(next: SecretSetting | undefined, folder: string): void {
  if (next?.type !== "keyfile") return;
  const age = Date.now() - statSync(resolve(folder, next.value)).mtimeMs;
  if (age >= FETCHED_AFTER) return;
  const wait = Math.ceil((FETCHED_AFTER - age) / 60_000);
  throw new ExitError(
    1,
    `the next key is only ${Math.floor(age / 60_000)} minutes old, and verifiers may not have fetched it yet: reload all ` +
      `workers (SIGHUP), and rotate in ${wait} minutes, or use --now`,
  );
}

function longestToken({ app }: Config): number {
  const broker = app.brokerTokens?.lifetime ?? 0;
  return Math.max(app.id_token_valid_time * 60, app.access_token_valid_time * 60, broker) * 1000;
}

/** `jwt_validation` without this installation's issuer, whose keys are all in the ring. */
function withoutOwn(validation: unknown, issuer: string): { jwt_validation?: unknown[] } {
  if (!Array.isArray(validation)) return {};
  const entries: readonly unknown[] = validation;
  const isOwn = (entry: unknown): boolean =>
    typeof entry === "object" && entry !== null && "name" in entry && entry.name === issuer;
  return { jwt_validation: entries.filter((entry) => !isOwn(entry)) };
}

function keyFilesOf({ secret, keys, fingerprint_key }: z.output<typeof jwtCreation>): string[] {
  const all = [secret, fingerprint_key, keys?.active, keys?.next, ...(keys?.retiring ?? [])];
  return [...new Set(all.flatMap((one) => fileOf(one)))];
}

function fileOf(secret: SecretSetting | undefined): string[] {
  return secret?.type === "keyfile" ? [secret.value] : [];
}

/** Adds each file to `created` as soon as it exists, for the cleanup after an error. */
function createKeyFiles(
  method: SignMethod,
  folder: string,
  access: FileAccess,
  created: string[],
): SecretSetting {
  const { secret, publicKey } = generateSecret(method);
  const name = newKeyName("signing-key");
  writeKeyFile(join(folder, `${name}.pem`), secret, access, created);
  const isPublic = { ...access, mode: access.mode | 0o044 };
  if (publicKey !== undefined) writeKeyFile(join(folder, `${name}.pub.pem`), publicKey, isPublic, created);
  return { type: "keyfile", value: `${name}.pem` };
}
