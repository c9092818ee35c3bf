/**
 * Writes the packages authmq and @authmq/client as tarballs to dist/packages/, or to a folder that is named. The client
 * is bundled from src/client and src/wire, so that it needs amqplib and jose only and runs on Node 20.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";

const root = resolve(import.meta.dirname, "../..");
const source = join(root, "src/client");
const packages = resolve(process.argv[2] ?? join(root, "dist/packages"));

const folder = mkdtempSync(join(tmpdir(), "authmq-pack-"));
try {
  mkdirSync(packages, { recursive: true });
  npm(["pack", "--silent", "--pack-destination", packages], root);
  await stageClient();
  npm(["pack", "--silent", "--pack-destination", packages], folder);
} finally {
  rmSync(folder, { recursive: true });
}

async function stageClient(): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: { index: "src/client/index.ts", verifier: "src/client/verifier-index.ts" },
    outdir: folder,
    bundle: true,
    // One copy of each class, whichever entry it comes from: instanceof works.
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    logLevel: "error",
  });
  // Node 20.19 loads ESM by require.
  for (const entry of ["index", "verifier"])
    writeFileSync(join(folder, `${entry}.cjs`), `module.exports = require("./${entry}.js");\n`);
  const types = join(folder, "types");
  tsc(["-p", "src", "--emitDeclarationOnly", "--outDir", join(folder, "all-types")]);
  for (const part of ["client", "wire", "errors.d.ts"])
    cpSync(join(folder, "all-types", part), join(types, part), { recursive: true });
  rmSync(join(folder, "all-types"), { recursive: true });
  const schemas = join(folder, "schemas");
  mkdirSync(schemas);
  copyFileSync(join(root, "schemas/workflows.d.ts"), join(schemas, "workflows.d.ts"));
  // A module's format decides how its types may be imported: require() gets a copy in a CommonJS scope.
  const cjs = join(folder, "cjs");
  cpSync(types, join(cjs, "types"), { recursive: true });
  cpSync(schemas, join(cjs, "schemas"), { recursive: true });
  writeFileSync(join(cjs, "package.json"), '{ "type": "commonjs" }\n');
  for (const file of ["package.json", "README.md"]) copyFileSync(join(source, file), join(folder, file));
  copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
}

function tsc(args: readonly string[]): void {
  const program = join(root, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [program, ...args], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
}

function npm(args: readonly string[], cwd: string): void {
  execFileSync("npm", args, { cwd, stdio: ["ignore", "inherit", "inherit"] });
}
