import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { missingForTickets } from "../kerberos-ticket.ts";
import type { Need } from "../needs.ts";
import { missingForPython } from "../python.ts";
import { missingForBrowser } from "./browser.ts";
import { missingFor } from "./directories.ts";
import { installPackages } from "./install.ts";
import { missingForKdc } from "./kdc.ts";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../../..");

interface Suite {
  readonly need: Need;
  readonly name: string;
  /** Debian packages. */
  readonly packages: readonly string[];
  /** What is missing on this machine. */
  readonly missing: () => string | undefined;
}

const SUITES: readonly Suite[] = [
  {
    need: "openldap",
    name: "OpenLDAP",
    packages: ["slapd", "openssl"],
    missing: () => missingFor("openldap"),
  },
  {
    need: "samba",
    name: "Active Directory (Samba)",
    packages: [
      ...["samba", "samba-ad-dc", "samba-ad-provision", "samba-dsdb-modules", "samba-vfs-modules"],
      ...["winbind", "openssl"],
    ],
    missing: () => missingFor("samba"),
  },
  {
    need: "ds389",
    name: "389 Directory Server",
    packages: ["389-ds-base"],
    missing: () => missingFor("ds389"),
  },
  {
    need: "kerberos",
    name: "Kerberos",
    packages: [
      ...["krb5-kdc", "krb5-admin-server", "krb5-user", "libkrb5-dev"],
      ...["g++", "make", "python3"], // npm may have to build the package from source
    ],
    missing: () => missingForKdc() ?? missingForTickets(),
  },
  {
    need: "python",
    name: "the examples in Python",
    packages: ["python3", "python3-pika", "python3-aio-pika", "python3-jwt", "python3-cryptography"],
    missing: missingForPython,
  },
  {
    need: "browser",
    name: "the documentation in a browser",
    packages: ["chromium"],
    missing: missingForBrowser,
  },
];

/**
 * Installs what these suites need, if possible, and reports suites that are skipped: their test files skip themselves
 * for the same reason. With AUTHMQ_TEST_ALL=1 (CI), throws instead.
 */
export async function provideOptional(say: (line: string) => void, needs: ReadonlySet<Need>): Promise<void> {
  const required = SUITES.filter(({ need }) => needs.has(need));
  const lacking = required.filter(({ missing }) => missing() !== undefined);
  const packages = [...new Set(lacking.flatMap((suite) => suite.packages))];
  if (packages.length > 0)
    await installPackages(packages, say).catch((error: unknown) => complain(say, error));
  if (needs.has("kerberos") && missingForKdc() === undefined && missingForTickets() !== undefined) {
    await installKerberos(say).catch((error: unknown) => complain(say, error));
  }
  const leftOut = required.flatMap(({ name, missing }) => {
    const reason = missing();
    return reason === undefined ? [] : `skipped: the suite for ${name}: ${reason}`;
  });
  if (leftOut.length > 0 && process.env["AUTHMQ_TEST_ALL"] === "1") throw new Error(leftOut.join("\n"));
  leftOut.forEach(say);
}

/** Installs an optional peer dependency, which is not in the lock file, without changing package.json. */
async function installKerberos(say: (line: string) => void): Promise<void> {
  const { peerDependencies } = JSON.parse(readFileSync(resolve(ROOT, "package.json"), "utf8")) as {
    peerDependencies: { kerberos: string };
  };
  const spec = `kerberos@${peerDependencies.kerberos}`;
  say(`installing ${spec} with npm`);
  // Use --save-dev: npm does not install a missing optional peer dependency that is requested without it.
  await run("npm", ["install", "--no-save", "--save-dev", "--no-audit", "--no-fund", spec], {
    cwd: ROOT,
    timeout: 300_000,
    maxBuffer: 64 * 2 ** 20,
  });
}

function complain(say: (line: string) => void, error: unknown): void {
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  say(line);
}
