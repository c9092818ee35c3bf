import { type ExecFileException, execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The path of a program, searched in PATH and in the folders that only root's PATH has. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"];
  const paths = name.startsWith("/") ? [name] : folders.map((folder) => join(folder, name));
  return paths.find(isExecutable);
}

/** The path of a program that has been found or installed. */
export function getProgram(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`${name} is not installed`);
  return path;
}

/** Installs Debian packages without starting services; throws a one-line error that says what to install by hand. */
export async function installPackages(
  packages: readonly string[],
  say: (line: string) => void,
): Promise<void> {
  const aptGet = findProgram("apt-get");
  const root = await becomeRoot();
  if (aptGet === undefined || root === undefined) throw new Error(whatToInstall(packages));
  say(`installing ${packages.join(" and ")} with apt-get`);
  // Variables instead of files keep packages from starting services: systemctl ignores `start`
  // when offline, and sysvinit's invoke-rc.d starts nothing in single-user mode.
  const environment = ["DEBIAN_FRONTEND=noninteractive", "SYSTEMD_OFFLINE=1", "RUNLEVEL=1"];
  const apt = [...root, "env", ...environment, aptGet, "--quiet", "--yes"];
  try {
    await execute([...apt, "update"]);
    await execute([...apt, "install", "--no-install-recommends", ...packages]);
  } catch (cause) {
    throw new Error(`apt-get failed: ${reason(cause)}. ${whatToInstall(packages)}`, { cause });
  }
}

/** The command prefix to run as root; undefined if root needs a password. */
async function becomeRoot(): Promise<string[] | undefined> {
  if (process.getuid?.() === 0) return [];
  try {
    await run("sudo", ["-n", "true"]);
    return ["sudo", "-n"];
  } catch {
    return undefined;
  }
}

async function execute([command = "", ...args]: readonly string[]): Promise<void> {
  await run(command, args, { timeout: 600_000, maxBuffer: 64 * 2 ** 20 });
}

export function whatToInstall(packages: readonly string[]): string {
  return `The tests need real servers: install the Debian packages ${packages.join(" and ")}, or start a Docker engine.`;
}

function reason(error: unknown): string {
  const { stderr, message } = error as ExecFileException;
  return (stderr ?? "").trim().split("\n").at(-1) || message;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
