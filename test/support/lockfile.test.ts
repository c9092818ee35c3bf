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

/** What is installed with `npm ci --omit=dev`; the project itself and its link to a Node for development are not. */
const production = Object.entries(packages).filter(
  ([path, { dev, link }]) => path !== "" && dev !== true && link !== true,
);

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

test("no package of production runs a script when it is installed", () => {
  assert.ok(production.length > 40, `${production.length} packages`);
  assert.deepEqual(
    production.filter(([, { hasInstallScript }]) => hasInstallScript === true),
    [],
  );
});

test("every package comes from the registry, but for the project's own folder for development", () => {
  const links = Object.entries(packages).filter(([, entry]) => entry.link === true);
  const link = "node_modules/authmq-development-node";
  assert.deepEqual(
    links.map(([path, { resolved }]) => [path, resolved]),
    [[link, ".ci/node"]],
  );
  for (const [path, { resolved, version }] of Object.entries(packages)) {
    if (path === "" || path === ".ci/node" || path === link) continue;
    // Without an address npm asks its registry for this version.
    assert.ok(resolved === undefined || resolved.startsWith("https://registry.npmjs.org/"), path);
    assert.match(version ?? "", /^\d+\.\d+\.\d+/, path);
  }
  const asked = Object.values(packages).flatMap(({ dependencies = {}, optionalDependencies = {} }) =>
    Object.entries({ ...dependencies, ...optionalDependencies }),
  );
  const elsewhere = asked.filter(([, range]) => /:|\//.test(range.replace(/^npm:/, "")));
  assert.deepEqual(elsewhere, []);
});

// The mirror that the file was made with has bcrypt's build for Linux on Intel alone, so npm knew no digest of the others.
test("every package of production has a digest, but for bcrypt's builds for other platforms", () => {
  const without = production.filter(([, { integrity }]) => integrity === undefined);
  for (const [path, { optional, version }] of without) {
    assert.match(path, /^node_modules\/@node-rs\/bcrypt-(?!linux-x64-gnu$)/);
    assert.deepEqual([optional, version], [true, packages["node_modules/@node-rs/bcrypt"]?.version]);
  }
  for (const [path, { integrity = "sha512-" }] of production) assert.match(integrity, /^sha512-/, path);
});

/** As Node looks it up: in the package's own node_modules, then in those around it. */
function isLocked(path: string, name: string): boolean {
  for (let at = path; ; at = at.replace(/\/?[^/]*$/, "")) {
    if (`${at}${at && "/"}node_modules/${name}` in packages) return true;
    if (at === "") return false;
  }
}
