import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { getProgram, installPackages } from "./install.ts";

const run = promisify(execFile);

const PACKAGES = ["rabbitmq-server", "mysql-server-core", "ca-certificates"];

/**
 * A Debian sid with the newest servers (1.2 GB), kept between runs. Delete the folder to get newer versions. Nothing is
 * mounted in it outside of the servers' own mount namespaces.
 */
const SID = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "authmq", "debian-sid");

/**
 * Gives a program a private mount namespace in which the folder has devices, /proc, this machine's host names, and the
 * temporary folder at the same path. Each step replaces the process, so that its id is the program's, and the mounts
 * end with it.
 */
const ENTER = `
  root=$0 temporary=$1; shift
  mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" &&
  mount --bind /etc/hosts "$root/etc/hosts" &&
  mkdir -p "$root$temporary" && mount --bind "$temporary" "$root$temporary" &&
  exec chroot "$root" "$@"`;

export function hasSid(): boolean {
  return existsSync(SID);
}

/** The command that runs a program of the folder as root, with the temporary folder at the same path. */
export function inSid(program: string, args: readonly string[]): readonly [string, readonly string[]] {
  const namespace = ["--mount", "--propagation", "private", "--"];
  return [getProgram("unshare"), [...namespace, "/bin/sh", "-c", ENTER, SID, tmpdir(), program, ...args]];
}

/** Creates the folder unless it exists (two minutes). Needs root. */
export async function provideSid(say: (line: string) => void): Promise<void> {
  if (hasSid()) return;
  if (process.getuid?.() !== 0)
    throw new Error("SERVERS=newest needs a Docker engine, or root for a Debian sid in a folder");
  await installPackages(["debootstrap"], say);
  say(`installing a Debian sid with ${PACKAGES.join(", ")} in ${SID}`);
  // Debootstrap mounts /proc. In a namespace of its own, that ends with it, even if it is killed.
  const script = `
    set -e
    rm -rf "$0.new"; mkdir -p "$0.new"
    debootstrap --variant=minbase --include="$1" sid "$0.new" "$2" >&2
    rm -rf "$0.new/var/cache/apt/archives"; : > "$0.new/etc/hosts"
    mv -T "$0.new" "$0"`;
  const args = ["--mount", "--propagation", "private", "--", "/bin/sh", "-c", script, SID];
  await run("unshare", [...args, PACKAGES.join(","), await debianMirror()], {
    timeout: 900_000,
    maxBuffer: 64 * 2 ** 20,
  });
}

/** The mirror in this machine's own apt sources. */
async function debianMirror(): Promise<string> {
  const filters = ["Created-By: Packages", "Origin: Debian", "Label: Debian"];
  const { stdout } = await run("apt-get", ["indextargets", "--format", "$(REPO_URI)", ...filters]);
  const [mirror = ""] = stdout.trim().split("\n");
  if (mirror === "") throw new Error("SERVERS=newest needs a Debian mirror in the sources of apt");
  return mirror;
}
