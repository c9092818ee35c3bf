import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { newFolder } from "./support/cli.ts";

const checkout = resolve(import.meta.dirname, "..");
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}` };

/** What nobody else needs, and what nobody else should have: sources, tests, keys, configurations, databases. */
const STRAY =
  /^(?!dist\/|schemas\/|docs\/(?!site\/)|package\.json$|[A-Z]+(\.md)?$)|(^|\/)(test|\.ci|secrets)\/|\.test\.|\.(pem|key|keytab|db|env)$/;

/** A private key or the hash of a password, by how they begin. */
const KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{16}|\$2[aby]\$\d\d\$[./A-Za-z0-9]{22}/;

const PROGRAM = `
import { AppError, type Auth, createAuth, ERRORS } from "authmq";
const login = async (auth: Auth): Promise<string> =>
  (await auth.session.login({ username: "root", password: "x", ip: null })).id_token;
// @ts-expect-error a request is typed
const wrong = (auth: Auth) => auth.session.login({ username: 1 });
const auth = await createAuth({ config: "config.json" });
await auth.migrate();
const code = await login(auth).catch((error: unknown) => (error instanceof AppError ? error.code : wrong));
console.log(code, ERRORS.INVALID_CREDENTIALS.resp);
await auth.close();
`;

test("the packed tarball, installed in an empty folder, gives the bin and the typed import", () => {
  const folder = newFolder();
  const run = (command: string, args: readonly string[], cwd = folder): string =>
    execFileSync(command, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const packed = JSON.parse(
    run("npm", ["pack", "--json", "--silent", "--pack-destination", folder], checkout),
  ) as
    | { filename: string; files: { path: string }[] }[]
    | Record<string, { filename: string; files: { path: string }[] }>;
  const { filename, files } = Object.values(packed)[0]!;
  const stray = files.map(({ path }) => path).filter((path) => STRAY.test(path));
  assert.deepEqual(stray, []);
  assert.ok(files.length > 100);

  writeFileSync(join(folder, "package.json"), '{"private":true,"type":"module"}');
  run("npm", ["install", "--no-audit", "--no-fund", "--silent", "--prefer-offline", join(folder, filename)]);
  const installed = join(folder, "node_modules/authmq");
  for (const { path } of files) assert.doesNotMatch(readFileSync(join(installed, path), "utf8"), KEY, path);
  const bin = join(folder, "node_modules/.bin/authmq");
  const { version } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8")) as { version: string };
  assert.equal(run(bin, ["--version"]).trim(), version);
  run(bin, ["init"]);
  assert.equal(run(bin, ["config", "check"]), "ok\n");

  writeFileSync(join(folder, "program.ts"), PROGRAM);
  const tsc = join(checkout, "node_modules/typescript/bin/tsc");
  const roots = join(checkout, "node_modules/@types");
  run(process.execPath, [
    tsc,
    ...["--strict", "--module", "nodenext", "--target", "es2024", "--skipLibCheck"],
    ...["--lib", "es2024,esnext.disposable", "--types", "node", "--typeRoots", roots, "program.ts"],
  ]);
  assert.equal(run(process.execPath, ["program.js"]).trim(), "INVALID_CREDENTIALS 401");
});
