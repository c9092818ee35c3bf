import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { globSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { before, describe, test } from "node:test";
import { build } from "esbuild";
import { newFolder } from "../support/cli.ts";
import { runNpm } from "../support/npm.ts";
import { packedCheckout } from "../support/packed-checkout.ts";

const root = resolve(import.meta.dirname, "../..");

/** The versions of Node that the package supports, each as npm's package of its binary. */
const NODES = ["20.19", "22", "24", "26"];
const TYPESCRIPTS = ["5.4", "6.0"];

/** The ways in which TypeScript finds the types of a package. */
const RESOLUTIONS = {
  "ESM and CommonJS, node16": ["--module", "node16", "program.mts", "program.cts"],
  "ESM and CommonJS, nodenext": ["--module", "nodenext", "program.mts", "program.cts"],
  bundler: ["--module", "esnext", "--moduleResolution", "bundler", "program.ts"],
  CommonJS: ["--module", "commonjs", "--moduleResolution", "node10", "program.ts"],
} as const;

const TYPED = `
import { type AuthClient, AuthError, connect, createSession, createVerifier } from "@authmq/client";
import { createRevocationList, type RevocationList, SessionLimitError } from "@authmq/client";
import { createVerifier as create, TokenError, type Verifier } from "@authmq/client/verifier";
export const login = async (auth: AuthClient): Promise<string> =>
  (await auth.session.login({ username: "alice", password: "x" })).id_token;
// @ts-expect-error a request is typed
export const wrong = (auth: AuthClient) => auth.session.login({ username: 1 });
export const verifier: Verifier = create({ issuer: "authmq", jwks: "https://auth.example.com/jwks.json" });
export const revoking = async (url: string): Promise<Verifier> => {
  const revocations: RevocationList = await createRevocationList({ url, queue: "orders.revocations" });
  return create({ issuer: "authmq", jwks: "https://auth.example.com/jwks.json", revocations });
};
export const session = (auth: AuthClient) => createSession(auth, { apiKey: () => "authmq_x" }).invalidate("a token");
// @ts-expect-error the stream has a name
export const nameless = (url: string) => createRevocationList({ url });
export const values = [connect, createSession, createVerifier, AuthError, TokenError, SessionLimitError];
`;

const CHECK = `
const names = (module) => Object.keys(module).filter((name) => name !== "__esModule" && name !== "module.exports").sort().join();
const { verify } = verifier.createVerifier({ issuer: "authmq", secret: "s".repeat(32), algorithms: ["HS256"] });
verify("no token").catch((error) => {
  const noReply = client.connect({ url: "amqp://127.0.0.1:1", timeout: 500 }).catch(({ code }) => code);
  void noReply.then((code) =>
    console.log([names(client), names(verifier), error instanceof client.TokenError, error.code, code].join(" ")),
  );
});
`;

const EXPECTED =
  "AuthError,NoReplyError,SessionLimitError,TokenError,connect,createRevocationList,createSession,createVerifier," +
  "renewBrokerToken TokenError,createVerifier true INVALID_TOKEN NO_REPLY";

describe("the package @authmq/client, installed from its tarball", () => {
  let folder = "";
  const installed = (path: string): string => join(folder, "node_modules", path);

  before(async () => {
    folder = newFolder();
    const { client } = await packedCheckout();
    writeFileSync(join(folder, "package.json"), '{"private":true}');
    const tools = [
      ...NODES.map((version) => `node-${version}@npm:node-linux-${process.arch}@${version}`),
      ...TYPESCRIPTS.map((version) => `typescript-${version}@npm:typescript@${version}`),
      "@types/node@20",
    ];
    runNpm(["install", "--no-audit", "--no-fund", "--silent", "--prefer-offline", client, ...tools], folder);
  });

  test("depends on amqplib and jose only, and takes less than 8 MB", () => {
    const names = globSync(["*", "@*/*"], { cwd: installed("") }).filter(
      (name) => !/^(?:@[^/]+|node-.*|typescript-.*|@types\/node|undici-types)$/.test(name),
    );
    assert.deepEqual(names.toSorted(), ["@authmq/client", "amqplib", "jose"]);
    const files = names.flatMap((name) =>
      globSync("**/*", { cwd: installed(name) }).map((file) => join(name, file)),
    );
    const bytes = files.reduce((sum, file) => sum + statSync(installed(file)).size, 0);
    assert.ok(bytes < 8_000_000, `${bytes} bytes`);
  });

  test("has the version of authmq, and the versions of its packages", () => {
    const read = (path: string) =>
      JSON.parse(readFileSync(join(root, path), "utf8")) as {
        version: string;
        dependencies: Readonly<Record<string, string>>;
      };
    const [worker, client] = [read("package.json"), read("src/client/package.json")];
    assert.equal(client.version, worker.version);
    for (const [name, range] of Object.entries(client.dependencies))
      assert.equal(range, worker.dependencies[name]);
  });

  for (const version of NODES)
    test(`runs on Node ${version}, by import and by require`, () => {
      const node = installed(`node-${version}/bin/node`);
      writeFileSync(
        join(folder, "check.mjs"),
        `import * as client from "@authmq/client";\nimport * as verifier from "@authmq/client/verifier";\n${CHECK}`,
      );
      writeFileSync(
        join(folder, "check.cjs"),
        `const client = require("@authmq/client");\nconst verifier = require("@authmq/client/verifier");\n${CHECK}`,
      );
      for (const file of ["check.mjs", "check.cjs"]) {
        const output = execFileSync(node, [file], { cwd: folder, encoding: "utf8" });
        assert.equal(output.trim(), EXPECTED, file);
      }
    });

  for (const version of TYPESCRIPTS)
    for (const [name, args] of Object.entries(RESOLUTIONS))
      test(`has types for TypeScript ${version}: ${name}`, () => {
        for (const file of ["program.ts", "program.mts", "program.cts"])
          writeFileSync(join(folder, file), TYPED);
        const deprecated = version === "6.0" ? ["--ignoreDeprecations", "6.0"] : [];
        const options = ["--strict", "--noEmit", "--target", "es2022", "--types", "node", ...deprecated];
        const tsc = installed(`typescript-${version}/bin/tsc`);
        execFileSync(process.execPath, [tsc, ...options, ...args], { cwd: folder, stdio: "pipe" });
      });

  test("has a verifier that bundles to less than 25 kB, with jose", async () => {
    writeFileSync(join(folder, "bundled.mjs"), 'export { createVerifier } from "@authmq/client/verifier";');
    const { outputFiles } = await build({
      absWorkingDir: folder,
      entryPoints: ["bundled.mjs"],
      bundle: true,
      minify: true,
      platform: "node",
      format: "esm",
      write: false,
    });
    const size = outputFiles[0]?.contents.length ?? Infinity;
    assert.ok(size < 25_000, `${size} bytes`);
  });
});
