/**
 * Builds dist/ where npm installs authmq from git or from a folder, and where it packs. Runs on every Node that npm runs
 * on. `npm ci` builds nothing: it prepares a checkout for work on the source.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const compiler = join(root, "node_modules/typescript/bin/tsc");

if (process.env.npm_command !== "ci" && !isBuilt()) build();

/** npm runs `prepare` twice for a package from git: the second build would change nothing. */
function isBuilt() {
  const built = join(root, "dist/cli.js");
  if (!existsSync(built)) return false;
  const { mtimeMs } = statSync(built);
  return readdirSync(join(root, "src"), { recursive: true }).every(
    (file) => statSync(join(root, "src", file)).mtimeMs <= mtimeMs,
  );
}

function build() {
  if (existsSync(compiler)) {
    // CI has checked the types. stdout belongs to the output of npm pack.
    execFileSync(process.execPath, [compiler, "-p", "src", "--noCheck"], {
      cwd: root,
      stdio: ["ignore", 2, 2],
    });
    return;
  }
  // A checkout without development packages runs from src/; a package elsewhere needs dist/.
  if (process.env.INIT_CWD === root) return;
  process.stderr.write(`authmq is not built: run "npm ci" in ${root} first\n`);
  process.exitCode = 1;
}
