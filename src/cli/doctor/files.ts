import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { overlayEnvironment } from "../../config/environment.ts";
import { Faults } from "../../config/fault.ts";
import { isSymmetric } from "../../config/keys.ts";
import { configSchema } from "../../config/schema.ts";
import type { Finding, findingsOn } from "./finding.ts";

/** A file with secrets that others than its owner may read or write. */
export interface OpenFile {
  readonly file: string;
  /** Its permissions in octal digits. */
  readonly mode: string;
  /** A whole sentence. */
  readonly advice: string;
}

/** Those of the files that are open to others; a file that is not there is not. */
export function findOpenFiles(files: readonly string[]): OpenFile[] {
  return files.flatMap((file) => {
    const mode = (statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o777;
    if ((mode & 0o077) === 0) return [];
    const advice = `Make the worker's user its owner, and close it: chmod 600 ${file}`;
    return [{ file, mode: mode.toString(8), advice }];
  });
}

/** Warns of each file that others than its owner may read or write; a file that is not there is no finding. */
export function fileFindings(on: ReturnType<typeof findingsOn>, files: readonly string[]): Finding[] {
  return findOpenFiles(files).map(({ file, mode, advice }) =>
    on.warn(`${file} is open to others than its owner (mode ${mode})`, advice),
  );
}

/** The files that hold private keys and shared secrets; the configuration was found to be in order before. */
export function keyFiles(file: string | undefined): string[] {
  const raw: unknown = file === undefined ? {} : JSON.parse(readFileSync(file, "utf8"));
  const overlay = overlayEnvironment(z.record(z.string(), z.unknown()).parse(raw), process.env, new Faults());
  const { jwt_creation: own, jwt_validation: issuers } = configSchema.parse(overlay.raw);
  const shared = issuers.filter(({ methods }) => methods.some(isSymmetric));
  const folder = file === undefined ? "." : dirname(file);
  const secrets = [
    own?.secret,
    own?.fingerprint_key,
    own?.keys?.active,
    own?.keys?.next,
    ...(own?.keys?.retiring ?? []),
    ...shared.map(({ secret }) => secret),
  ];
  return secrets.flatMap((secret) => (secret?.type === "keyfile" ? resolve(folder, secret.value) : []));
}
