import { execFileSync } from "node:child_process";

/** The Python of Debian's packages; the PATH may have another one first. */
export const PYTHON = "/usr/bin/python3";

/** Why Python examples cannot run on this machine, for a test's `skip`; undefined if they can. */
export function missingForPython(): string | undefined {
  try {
    execFileSync(PYTHON, ["-c", "import pika, aio_pika, jwt, cryptography"], { stdio: "ignore" });
    return undefined;
  } catch {
    return `${PYTHON} lacks a package: apt-get install python3-pika python3-aio-pika python3-jwt python3-cryptography`;
  }
}
