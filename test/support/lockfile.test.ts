import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

interface Lock {
  packages: Record<string, { version?: string; optionalDependencies?: Record<string, string> }>;
}

const { packages } = JSON.parse(
  readFileSync(new URL("../../package-lock.json", import.meta.url), "utf8"),
) as Lock;

// npm drops the builds for other platforms that a registry's mirror lacks, and `npm ci` then refuses the file.
test("the lock file has an entry for every optional dependency of every package", () => {
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !isLocked(path, name))
      .map((name) => `${path || "."} -> ${name}`),
  );
  assert.deepEqual(missing, []);
});

test("bcrypt is locked for 64-bit Linux on Intel and ARM, and for macOS", () => {
  for (const build of ["linux-x64-gnu", "linux-x64-musl", "linux-arm64-gnu", "darwin-x64", "darwin-arm64"]) {
    assert.ok(packages[`node_modules/@node-rs/bcrypt-${build}`]?.version, build);
  }
});

/** As Node looks it up: in the package's own node_modules, then in those around it. */
function isLocked(path: string, name: string): boolean {
  for (let at = path; ; at = at.replace(/\/?[^/]*$/, "")) {
    if (`${at}${at && "/"}node_modules/${name}` in packages) return true;
    if (at === "") return false;
  }
}
