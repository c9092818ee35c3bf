import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const checkout = resolve(import.meta.dirname, "../..");

/** Why the source cannot be copied; undefined if it can. */
export function missingForSourceCopy(): string | undefined {
  try {
    git(["ls-files", "package.json"], checkout);
    return undefined;
  } catch {
    return "git is not installed, or this is not a clone";
  }
}

/** Copies the checkout's files, without those that git ignores, to a folder. */
export function copySource(folder: string): void {
  const files = git(["ls-files", "--cached", "--others", "--exclude-standard", "-z"], checkout).split("\0");
  // node_modules may be a link, which .gitignore does not match.
  for (const file of files)
    if (file !== "" && file !== "node_modules" && existsSync(join(checkout, file)))
      cpSync(join(checkout, file), join(folder, file));
}

/** Copies the checkout as `make install` leaves it. */
export function copyCheckout(folder: string): void {
  copySource(folder);
  symlinkSync(join(checkout, "node_modules"), join(folder, "node_modules"));
}

/**
 * Creates a bare repository of the checkout's files. Of the packages for development it names only those that the build
 * needs and the client, which is a folder: npm installs all of them for a package from git, which takes a minute.
 */
export function createRepository(folder: string): void {
  const tree = `${folder}.tree`;
  copySource(tree);
  const file = join(tree, "package.json");
  // JSON.parse returns any.
  const manifest = JSON.parse(readFileSync(file, "utf8")) as { devDependencies: Record<string, string> };
  const needed = Object.entries(manifest.devDependencies).filter(([name]) =>
    /^typescript$|^@types\/|^@authmq\/client$/.test(name),
  );
  writeFileSync(file, JSON.stringify({ ...manifest, devDependencies: Object.fromEntries(needed) }));
  const author = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
  git(["init", "--quiet"], tree);
  git(["add", "--all"], tree);
  git([...author, "commit", "--quiet", "--message", "Copy"], tree);
  git(["clone", "--quiet", "--bare", tree, folder], tree);
}

function git(args: readonly string[], cwd: string): string {
  return execFileSync("git", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
