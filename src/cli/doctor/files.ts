import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { isSymmetric } from "../../config/keys.ts";
import type { Origins } from "../../config/load.ts";
import { configSchema } from "../../config/schema.ts";
import type { Finding, findingsOn } from "./finding.ts";

/** A file with secrets that other users can access. */
export interface OpenFile {
  readonly file: string;
  /** Its permissions in octal digits. */
  readonly mode: string;
  /** A full sentence. */
  readonly advice: string;
}

/** Returns the files that other users can access; ignores missing files. */
export function findOpenFiles(files: readonly string[]): OpenFile[] {
  return files.flatMap((file) => {
    const mode = (statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o777;
    if ((mode & 0o077) === 0) return [];
    const advice = `Make the worker's user its owner, and deny all other users access: chmod 600 ${file}`;
    return [{ file, mode: mode.toString(8), advice }];
  });
}

/** Warns of each file that other users can access; ignores missing files. */
export function fileFindings(on: ReturnType<typeof findingsOn>, files: readonly string[]): Finding[] {
  return findOpenFiles(files).map(({ file, mode, advice }) =>
    on.warn(`${file} is accessible to other users (mode ${mode})`, advice),
  );
}

/** The files with private keys, shared secrets and encryption keys; needs a valid configuration. */
export function keyFiles(file: string | undefined, origins: Origins): string[] {
  const { own, issuers, encryption, folder } = readKeySettings(file, origins);
  const shared = issuers.filter(({ methods }) => methods.some(isSymmetric)).map(({ secret }) => secret);
  return [...own, ...shared, ...encryption].flatMap((secret) =>
    secret.type === "keyfile" ? resolve(folder, secret.value) : [],
  );
}

/** The PEM texts of keys, each with the name of its setting. A key may be given as a certificate. */
export function readKeyTexts(
  file: string | undefined,
  origins: Origins,
): (readonly [name: string, text: string])[] {
  const { own, issuers, folder } = readKeySettings(file, origins);
  const named = [
    ...own.map((secret) => ["jwt_creation", secret] as const),
    ...issuers.map(({ name, secret }) => [`jwt_validation (${name})`, secret] as const),
  ];
  return named.flatMap(([name, secret]) => {
    const { type, value } = secret;
    if (type === "keyfile") return [[name, readFileSync(resolve(folder, value), "latin1")] as const];
    return [[name, type === "plain" ? value : Buffer.from(value, "base64").toString("latin1")] as const];
  });
}

function readKeySettings(file: string | undefined, { given }: Origins) {
  const { jwt_creation, jwt_validation: issuers, encryption_keys } = configSchema.parse(given);
  const { secret, fingerprint_key, keys } = jwt_creation ?? {};
  const secrets = [secret, fingerprint_key, keys?.active, keys?.next, ...(keys?.retiring ?? [])];
  const own = secrets.filter((one) => one !== undefined);
  const encryption =
    encryption_keys === undefined ? [] : [encryption_keys.active, ...encryption_keys.retiring];
  return { own, issuers, encryption, folder: file === undefined ? "." : dirname(file) };
}
