import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { generateSecret } from "../../config/generate-key.ts";
import { type Config, loadConfig, parseConfig } from "../../config/load.ts";
import { issuerSchema, jwtCreation, type SecretSetting, type SignMethod } from "../../config/sections/jwt.ts";
import { keyIdOf } from "../../tokens/jwks.ts";
import { ExitError } from "../exit.ts";
import { replaceFile } from "./replace-file.ts";
import { rotateRing } from "./ring.ts";

/** Verifiers that keep a JWK Set fetch it again within so many milliseconds, and a worker publishes it for five minutes. */
const KNOWN_AFTER = 10 * 60_000;

/** Workers that are reloaded later than this after a rotation sign tokens that others do not accept, in milliseconds. */
const RELOAD = 60 * 60_000;

/** Variables that override keys, in any case, as they are read. */
const OVERRIDE = /^AUTHMQ__JWT_(?:CREATION|VALIDATION)(?:_|$)/i;

interface Rotation {
  readonly alg: SignMethod | undefined;
  readonly atOnce: boolean;
  readonly isCompromised: boolean;
}

/** A key of the ring as an operator sees it. */
export interface RingEntry {
  readonly state: "active" | "next" | "retiring";
  readonly alg: SignMethod;
  readonly kid: string;
  readonly until?: string;
}

/** What a rotation did. */
export interface Rotated {
  readonly ring: readonly RingEntry[];
  /** Key files that nothing names any more. */
  readonly unused: readonly string[];
}

/** Turns the key ring of a configuration file; throws ConfigError or ExitError, and then nothing has changed. */
export async function rotateKeys(file: string, rotation: Rotation): Promise<Rotated> {
  const override = Object.keys(process.env).find((name) => OVERRIDE.test(name));
  if (override !== undefined)
    throw new ExitError(1, `${override} overrides the file: rotate the keys where that comes from`);
  const made: string[] = [];
  try {
    let rotated: Rotated | undefined;
    await replaceFile(file, async () => {
      const config = loadConfig(file, { keys: true });
      const raw = z
        .record(z.string(), z.unknown())
        .parse(JSON.parse(readFileSync(file, "utf8").replace(/^\ufeff/, "")));
      const folder = dirname(resolve(file));
      const before = jwtCreation.parse(raw["jwt_creation"]);
      const likeness = likenessOf(before.keys?.active ?? before.secret, file);
      if (!rotation.atOnce && !rotation.isCompromised) refuseUnknown(before.keys?.next, folder);
      const after = rotateRing(before, {
        now: new Date(),
        overlap: longestToken(config) + RELOAD,
        ...rotation,
        makeKey: () => {
          const signmethod = rotation.alg ?? before.keys?.next?.signmethod ?? before.signmethod;
          return { ...makeKeyFiles(signmethod, folder, likeness, made), signmethod };
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
    for (const one of made) rmSync(one, { force: true });
    throw error;
  }
}

/** The keys of a configuration, the one that signs first. */
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

function refuseUnknown(next: SecretSetting | undefined, folder: string): void {
  if (next?.type !== "keyfile") return;
  const age = Date.now() - statSync(resolve(folder, next.value)).mtimeMs;
  if (age >= KNOWN_AFTER) return;
  const wait = Math.ceil((KNOWN_AFTER - age) / 60_000);
  throw new ExitError(
    1,
    `the next key is only ${Math.floor(age / 60_000)} minutes old, and verifiers may not know it yet: reload all workers ` +
      `(SIGHUP), and rotate in ${wait} minutes; or --now`,
  );
}

function longestToken({ app }: Config): number {
  const broker = app.brokerTokens?.lifetime ?? 0;
  return Math.max(app.id_token_valid_time * 60, app.access_token_valid_time * 60, broker) * 1000;
}

/** The own issuer's keys are all in the ring. */
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

/** Who may read a new key. */
interface Likeness {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** Those who can read the key that signs now, so that the worker can: it may stand in the configuration itself. */
function likenessOf(active: SecretSetting | undefined, file: string): Likeness {
  const holder = active?.type === "keyfile" ? resolve(dirname(resolve(file)), active.value) : file;
  const { uid, gid, mode } = statSync(holder);
  return { uid, gid, mode: mode & 0o640 };
}

/** Notes each file in `made` as soon as it is there. */
function makeKeyFiles(
  method: SignMethod,
  folder: string,
  { uid, gid, mode }: Likeness,
  made: string[],
): SecretSetting {
  const { secret, publicKey } = generateSecret(method);
  const day = new Date().toISOString().slice(0, 10);
  const name = `signing-key-${day}-${randomBytes(3).toString("hex")}`;
  const write = (ending: string, content: string, permissions: number): void => {
    const path = join(folder, `${name}${ending}`);
    closeSync(openSync(path, "wx", 0o600));
    made.push(path); // before it has all of its content: a disk can be full
    writeFileSync(path, content, { flush: true });
    chownSync(path, uid, gid);
    chmodSync(path, permissions); // whatever the umask
  };
  write(".pem", secret, mode);
  if (publicKey !== undefined) write(".pub.pem", publicKey, mode | 0o044);
  return { type: "keyfile", value: `${name}.pem` };
}
