import { dockerAnswers } from "./docker.ts";
import { findProgram, getProgram, installPackages, whatToInstall } from "./install.ts";
import { parseSelection } from "./selection.ts";
import { hasSid, inSid, provideSid } from "./sid.ts";

/** How a server is started: from this machine's packages, from a Debian sid in a folder, or as a container. */
export type Source =
  | { readonly kind: "stable" }
  | { readonly kind: "sid" }
  | { readonly kind: "image"; readonly image: string };

/** Programs of each server. In /usr/lib, because Debian's wrapper in /usr/sbin forces a user and the system's paths. */
const PROGRAMS = {
  rabbitmq: { package: "rabbitmq-server", files: ["/usr/lib/rabbitmq/bin/rabbitmq-server", "epmd", "erl"] },
  database: { package: "mariadb-server", files: ["mariadbd", "mariadb-install-db"] },
} as const;

type Name = keyof typeof PROGRAMS;

const isInstalled = (name: Name): boolean => PROGRAMS[name].files.every((file) => findProgram(file));

/** How a server that `provideServers` has provided is started. */
export function sourceOf(name: Name): Source {
  const { from, image } = parseSelection()[name];
  if (from === "stable" && isInstalled(name)) return { kind: "stable" };
  if (from === "sid" && hasSid()) return { kind: "sid" };
  return { kind: "image", image };
}

/**
 * Provides the servers (by default both) of the selected version: what is on this machine first, then a Docker engine,
 * then Debian packages, which it installs. If nothing works, throws a one-line error that says what to install.
 */
export async function provideServers(
  say: (line: string) => void,
  names: readonly Name[] = ["rabbitmq", "database"],
): Promise<void> {
  const missing = names.filter((name) => sourceOf(name).kind === "image");
  if (missing.length === 0 || (await dockerAnswers())) return;
  const selection = parseSelection();
  const onlyImages = missing.filter((name) => selection[name].from === undefined);
  if (onlyImages.length > 0)
    throw new Error(`SERVERS names images, but no Docker engine responds: start one, or use SERVERS=newest`);
  if (missing.some((name) => selection[name].from === "sid")) await provideSid(say);
  const packages = missing
    .filter((name) => selection[name].from === "stable")
    .map((name) => PROGRAMS[name].package);
  if (packages.length > 0) await installPackages(packages, say);
  const left = missing.filter((name) => sourceOf(name).kind === "image");
  if (left.length > 0) throw new Error(whatToInstall(left.map((name) => PROGRAMS[name].package)));
}

/** Whether containers are used; they cannot be configured or signalled as processes. */
export function isContainer(name: Name): boolean {
  return sourceOf(name).kind === "image";
}

/** The command that runs a server's program. */
export function programOf(
  name: Name,
  program: string,
  args: readonly string[],
): readonly [string, readonly string[]] {
  return sourceOf(name).kind === "sid" ? inSid(program, args) : [getProgram(program), args];
}
