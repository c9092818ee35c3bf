import { execFile } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { scratchFolder } from "./scratch-folder.ts";
import { waitUntil } from "./servers/scratch.ts";

const checkout = resolve(import.meta.dirname, "../..");
const PACK = join(checkout, "test/support/pack.ts");

/** The paths of the tarballs that `make pack` writes. */
export interface PackedCheckout {
  readonly worker: string;
  readonly client: string;
}

/** Packs the checkout. Test files of one run share the tarballs: compiling takes most of the time. */
export async function packedCheckout(): Promise<PackedCheckout> {
  const folder = join(scratchFolder, "packages");
  await waitUntil("the packages", () => existsSync(folder) || packInto(folder), { seconds: 300 });
  const tarball = (pattern: string): string => join(folder, globSync(pattern, { cwd: folder })[0] ?? "");
  return { worker: tarball("authmq-[0-9]*.tgz"), client: tarball("authmq-client-*.tgz") };
}

/** Returns undefined while another process packs. */
async function packInto(folder: string): Promise<true | undefined> {
  const lock = `${folder}.lock`;
  try {
    mkdirSync(lock);
  } catch {
    return undefined;
  }
  try {
    const unfinished = mkdtempSync(`${folder}-`);
    await promisify(execFile)(process.execPath, [PACK, unfinished], { cwd: checkout });
    renameSync(unfinished, folder);
    return true;
  } finally {
    rmSync(lock, { recursive: true });
  }
}
