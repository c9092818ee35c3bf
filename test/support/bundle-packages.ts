import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { BUNDLED } from "./use-bundles.ts";

const root = resolve(import.meta.dirname, "../..");
/** A change of one of these files makes new bundles. */
const INPUTS = [
  join(root, "package-lock.json"),
  import.meta.filename,
  join(import.meta.dirname, "use-bundles.ts"),
];

/**
 * Bundles each package of use-bundles.ts into one file, and returns their folder in `cache`. Loading a module takes
 * about a millisecond, and the tests start more than a thousand processes that load 400 modules of these packages.
 */
export async function bundlePackages(cache: string): Promise<string> {
  const hash = createHash("sha256");
  for (const file of INPUTS) hash.update(readFileSync(file));
  const folder = join(cache, `bundles-${hash.digest("hex").slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const unfinished = mkdtempSync(`${folder}-`);
  await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(Array.from(BUNDLED, ([specifier, name]) => [name, specifier])),
    outdir: unfinished,
    bundle: true,
    // One copy of each class, whichever entry it comes from: instanceof works.
    splitting: true,
    format: "esm",
    platform: "node",
    logLevel: "error",
  });
  // Another run may have finished first, and use the folder.
  if (existsSync(folder)) rmSync(unfinished, { recursive: true });
  else renameSync(unfinished, folder);
  return folder;
}
