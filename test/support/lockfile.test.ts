import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

interface Entry {
  version?: string;
  resolved?: string;
  link?: boolean;
  integrity?: string;
  hasInstallScript?: boolean;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

interface Lock {
  packages: Record<string, Entry>;
}

const { packages } = JSON.parse(
  readFileSync(new URL("../../package-lock.json", import.meta.url), "utf8"),
) as Lock;

/** Packages that `npm ci --omit=dev` installs, without the project itself and its link to Node for development. */
const production = Object.entries(packages).filter(
  ([path, { dev, link }]) => path !== "" && dev !== true && link !== true,
);

// A registry mirror may lack builds for other platforms: npm then omits them, and `npm ci` rejects the file.
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

test("no production package has an install script", () => {
  assert.ok(production.length > 40, `${production.length} packages`);
  assert.deepEqual(
    production.filter(([, { hasInstallScript }]) => hasInstallScript === true),
    [],
  );
});

test("every package comes from the registry, except the project's own folders for development", () => {
  const own = new Map([
    ["node_modules/@authmq/client", "src/client"],
    ["node_modules/authmq-development-node", ".ci/node"],
  ]);
  const links = Object.entries(packages).filter(([, entry]) => entry.link === true);
  assert.deepEqual(new Map(links.map(([path, { resolved }]) => [path, resolved])), own);
  const folders = new Set(["", ...own.values()]);
  for (const [path, { resolved, version }] of Object.entries(packages)) {
    if (own.has(path) || folders.has(path)) continue;
    // Without an address, npm downloads this version from its registry.
    assert.ok(resolved === undefined || resolved.startsWith("https://registry.npmjs.org/"), path);
    assert.match(version ?? "", /^\d+\.\d+\.\d+/, path);
  }
  const required = Object.values(packages).flatMap(({ dependencies = {}, optionalDependencies = {} }) =>
    Object.entries({ ...dependencies, ...optionalDependencies }),
  );
  const elsewhere = required.filter(([, range]) => /:|\//.test(range.replace(/^npm:/, "")));
  assert.deepEqual(elsewhere, []);
});

// The mirror that produced the lock file has bcrypt's build for Linux on Intel only, so the other digests are unknown.
test("every production package has a digest, except bcrypt's builds for other platforms", () => {
  const without = production.filter(([, { integrity }]) => integrity === undefined);
  for (const [path, { optional, version }] of without) {
    assert.match(path, /^node_modules\/@node-rs\/bcrypt-(?!linux-x64-gnu$)/);
    assert.deepEqual([optional, version], [true, packages["node_modules/@node-rs/bcrypt"]?.version]);
  }
  for (const [path, { integrity = "sha512-" }] of production) assert.match(integrity, /^sha512-/, path);
});

/** Resolves like Node: in the package's own node_modules, then in those of its parents. */
function isLocked(path: string, name: string): boolean {
  for (let at = path; ; at = at.replace(/\/?[^/]*$/, "")) {
    if (`${at}${at && "/"}node_modules/${name}` in packages) return true;
    if (at === "") return false;
  }
}
