import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { before, describe, test } from "node:test";
import { newFolder } from "./support/cli.ts";
import { runNpm } from "./support/npm.ts";
import { packedCheckout } from "./support/packed-checkout.ts";
import { copyCheckout, copySource, createRepository, missingForSourceCopy } from "./support/source-copy.ts";

const checkout = resolve(import.meta.dirname, "..");
const { version } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8")) as { version: string };

/** Versions of Node on which a worker cannot run, each as npm's package of its binary. */
const OLDER_NODES = ["20.19", "22"];
const TOOLS = ["pnpm@12", "yarn@1", "yarn-4@npm:@yarnpkg/cli-dist@4"];
const QUIET = ["--no-audit", "--no-fund", "--silent", "--prefer-offline"];

const PROGRAM = `
import { createAuth } from "authmq";
import * as inside from "authmq/client";
import * as client from "@authmq/client";
import { createVerifier } from "@authmq/client/verifier";
const same = Object.keys(client).join() === Object.keys(inside).join();
console.log(typeof createAuth, typeof client.connect, typeof createVerifier, same);
`;
const EXPECTED = "function function function true";

const IMPORT_WORKER = `import("authmq").then(() => console.log("loaded"), ({ message }) => console.log(message));`;

let folder = "";
let registryUrl: string | undefined;
const tarballs: string[] = [];

before(async () => {
  folder = newFolder();
  const { worker, client } = await packedCheckout();
  tarballs.push(worker, client);
  mkdirSync(join(folder, "tools"));
  const nodes = OLDER_NODES.map((older) => `node-${older}@npm:node-linux-${process.arch}@${older}`);
  runNpm(["install", ...QUIET, "--no-save", ...TOOLS, ...nodes], join(folder, "tools"));
});

describe("the tarballs of worker and client can be installed", { concurrency: 2 }, () => {
  test("with npm", async () => {
    const app = newApp("npm");
    await runIn(app, "npm", ["install", ...QUIET, ...tarballs]);
    await assertWorks(app);
  });

  // pnpm links only declared packages: an import of an undeclared one fails.
  test("with pnpm", async () => {
    const app = newApp("pnpm");
    const store = ["--store-dir", join(folder, "pnpm-store")];
    await runIn(app, process.execPath, [tool("pnpm/bin/pnpm.mjs"), "add", ...store, ...tarballs]);
    await assertWorks(app);
  });

  test("with Yarn 1", async () => {
    const app = newApp("yarn-1", { resolutions: otherPlatforms() });
    await runIn(app, process.execPath, [tool("yarn/bin/yarn.js"), "add", "--non-interactive", ...tarballs]);
    await assertWorks(app);
  });

  // Without node_modules: Yarn resolves imports itself, and refuses undeclared ones.
  test("with Yarn 4 and Plug'n'Play", async () => {
    const app = newApp("yarn-4", { resolutions: otherPlatforms() });
    writeFileSync(join(app, "yarn.lock"), "");
    const yarn = (...args: string[]) => runIn(app, process.execPath, [tool("yarn-4/bin/yarn.js"), ...args]);
    const [worker = "", client = ""] = tarballs;
    await yarn("add", `authmq@file:${worker}`, `@authmq/client@file:${client}`);
    assert.ok(!existsSync(join(app, "node_modules")), "node_modules");
    assert.equal((await yarn("authmq", "--version")).trim(), version);
    await yarn("authmq", "init", "config");
    assert.equal(await yarn("authmq", "config", "check", "--config", "config/config.json"), "ok\n");
    assert.equal((await yarn("node", "program.mjs")).trim(), EXPECTED);
  });
});

describe("a worker on an older Node", () => {
  let app = "";
  before(() => {
    app = newApp("older");
    runNpm(["install", ...QUIET, ...tarballs], app);
  });

  for (const older of OLDER_NODES) {
    const node = () => tool(`node-${older}/bin/node`);
    const line = new RegExp(
      `^authmq needs Node 24\\.15 or newer, but this is ${older}\\S*: update Node, .*$`,
    );

    test(`prints one line and ends with 78 on Node ${older}`, async () => {
      const cli = join(app, "node_modules/authmq/dist/cli.js");
      for (const args of [["--version"], ["serve"]]) {
        const { code, stdout, stderr } = await end(app, node(), [cli, ...args]);
        assert.deepEqual([code, stdout], [78, ""]);
        assert.match(stderr.replace(/\n$/, ""), line);
      }
    });

    test(`is refused with the same line by import on Node ${older}`, async () => {
      assert.match((await runIn(app, node(), ["--eval", IMPORT_WORKER])).trim(), line);
    });
  }
});

describe("a checkout can be installed", { skip: missingForSourceCopy() ?? false, concurrency: 2 }, () => {
  test("from git", { timeout: 600_000 }, async () => {
    const repository = join(folder, "authmq.git");
    createRepository(repository);
    const app = newApp("git");
    await runIn(app, "npm", ["install", ...QUIET, `git+file://${repository}`]);
    await assertWorker(app);
  });

  test("from a folder whose packages are installed", { timeout: 600_000 }, async () => {
    copyCheckout(join(folder, "checkout"));
    const app = newApp("folder");
    await runIn(app, "npm", ["install", ...QUIET, "../checkout"]);
    await assertWorker(app);
  });

  test("but not from a folder without packages: one line says what to do", async () => {
    const source = join(folder, "source");
    copySource(source);
    const { code, stderr } = await end(newApp("no-packages"), "npm", ["install", "--no-audit", "../source"]);
    assert.notEqual(code, 0);
    assert.match(stderr, new RegExp(`authmq is not built: run "npm ci" in ${source} first$`, "m"));
    assert.doesNotMatch(stderr, /^(npm error )?\s+at /m, "a stack trace");
  });

  test("but npm ci builds nothing, so that it stays fast", async () => {
    const source = join(folder, "ci");
    copySource(source);
    await runIn(source, process.execPath, [".ci/prepare.js"], { npm_command: "ci" });
    assert.ok(!existsSync(join(source, "dist")), "dist");
  });
});

function tool(path: string): string {
  return join(folder, "tools/node_modules", path);
}

/** A folder of an application that imports worker and client. */
function newApp(name: string, manifest: object = {}): string {
  const app = join(folder, name);
  mkdirSync(app);
  writeFileSync(join(app, "package.json"), JSON.stringify({ private: true, ...manifest }));
  writeFileSync(join(app, "program.mjs"), PROGRAM);
  return app;
}

async function assertWorks(app: string): Promise<void> {
  await assertWorker(app);
  assert.equal((await runIn(app, process.execPath, ["program.mjs"])).trim(), EXPECTED);
}

async function assertWorker(app: string): Promise<void> {
  const bin = join(app, "node_modules/.bin/authmq");
  assert.equal((await runIn(app, bin, ["--version"])).trim(), version);
  await runIn(app, bin, ["init", "config"]);
  assert.equal(await runIn(app, bin, ["config", "check", "--config", "config/config.json"]), "ok\n");
}

/**
 * Resolutions that replace the native packages of other platforms by an empty one: a registry mirror may lack them, and
 * Yarn then fails, while npm and pnpm leave optional packages out.
 */
function otherPlatforms(): Record<string, string> {
  const stub = join(folder, "stub");
  mkdirSync(stub, { recursive: true });
  writeFileSync(join(stub, "package.json"), '{"name":"stub","version":"2.0.0"}');
  const { packages } = JSON.parse(readFileSync(join(checkout, "package-lock.json"), "utf8")) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>;
  };
  const names = Object.keys(packages["node_modules/@node-rs/bcrypt"]?.optionalDependencies ?? {});
  const own = `@node-rs/bcrypt-linux-${process.arch}-gnu`;
  assert.ok(names.includes(own), names.join());
  return Object.fromEntries(names.filter((name) => name !== own).map((name) => [name, `file:${stub}`]));
}

/** Runs a program to its end and returns its stdout; fails with its output unless it exits with 0. */
async function runIn(
  cwd: string,
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { code, stdout, stderr } = await end(cwd, program, args, env);
  assert.equal(code, 0, `${program} ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

function end(
  cwd: string,
  program: string,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<{ code: number | string | null; stdout: string; stderr: string }> {
  const { promise, resolve: settle } = Promise.withResolvers<{
    code: number | string | null;
    stdout: string;
    stderr: string;
  }>();
  const registry = (registryUrl ??= runNpm(["config", "get", "registry"], checkout).trim());
  const env = {
    ...process.env,
    // make runs npm with --silent, which this npm would inherit.
    npm_config_loglevel: "error",
    // Node 24 first, as on a reader's machine.
    PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
    // Yarn has its own default registry, and caches in the home folder.
    YARN_REGISTRY: registry,
    YARN_NPM_REGISTRY_SERVER: registry,
    YARN_CACHE_FOLDER: join(folder, "yarn-cache"),
    YARN_GLOBAL_FOLDER: join(folder, "yarn-global"),
    YARN_ENABLE_TELEMETRY: "0",
    ...more,
  };
  execFile(program, args, { cwd, env, maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
    settle({ code: error === null ? 0 : (error.code ?? null), stdout, stderr });
  });
  return promise;
}
