import { execFile } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { scratchFolder } from "./scratch-folder.ts";

const checkout = resolve(import.meta.dirname, "../..");
const PACK = join(checkout, "test/support/pack.ts");

/** The paths of the tarballs that `make pack` writes. */
export interface PackedCheckout {
  readonly worker: string;
  readonly client: string;
}

/** How long another test file may take to pack, in milliseconds. */
const LIMIT = 300_000;

/** Packs the checkout. Test files of one run share the tarballs: compiling takes most of the time. */
export async function packedCheckout(): Promise<PackedCheckout> {
  const folder = join(scratchFolder, "packages");
  const end = performance.now() + LIMIT;
  while (!existsSync(folder) && !(await packInto(folder))) {
    if (performance.now() > end) throw new Error(`another test file packs for longer than ${LIMIT} ms`);
    await sleep(100);
  }
  const tarball = (pattern: string): string => join(folder, globSync(pattern, { cwd: folder })[0] ?? "");
  return { worker: tarball("authmq-[0-9]*.tgz"), client: tarball("authmq-client-*.tgz") };
}

/** Returns false while another process packs. Throws, with what the compiler says, if it fails. */
async function packInto(folder: string): Promise<boolean> {
  const lock = `${folder}.lock`;
  try {
    mkdirSync(lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
  try {
    if (existsSync(folder)) return true;
    const unfinished = mkdtempSync(`${folder}-`);
    await promisify(execFile)(process.execPath, [PACK, unfinished], { cwd: checkout });
    renameSync(unfinished, folder);
    return true;
  } finally {
    rmSync(lock, { recursive: true });
  }
}
