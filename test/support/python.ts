import { execFileSync } from "node:child_process";

/** The one that Debian's packages are for; another may come first on the PATH. */
export const PYTHON = "/usr/bin/python3";

/** Why no Python example can run here, for a test's `skip`; undefined when they can. */
export function missingForPython(): string | undefined {
  try {
    execFileSync(PYTHON, ["-c", "import pika, jwt, cryptography"], { stdio: "ignore" });
    return undefined;
  } catch {
    return `${PYTHON} lacks a package: apt-get install python3-pika python3-jwt python3-cryptography`;
  }
}
