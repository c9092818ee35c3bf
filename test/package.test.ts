import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { newFolder } from "./support/cli.ts";
import { runNpm } from "./support/npm.ts";
import { packedCheckout } from "./support/packed-checkout.ts";

const checkout = resolve(import.meta.dirname, "..");
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}` };

/** Files that must not be packed: sources, tests, keys, configurations, databases. */
const STRAY =
  /^(?!dist\/|schemas\/|docs\/(?!generate\/|\.vitepress\/)|package\.json$|[A-Z]+(\.md)?$)|(^|\/)(test|\.ci|secrets)\/|\.test\.|\.(pem|key|keytab|db|env)$/;

/** Matches the beginning of a private key or of a password hash. */
const KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{16}|\$2[aby]\$\d\d\$[./A-Za-z0-9]{22}/;

const PROGRAM = `
import { readFileSync } from "node:fs";
import { AppError, type Auth, createAuth, ERRORS } from "authmq";
import { type AuthClient, connect, createSession, createVerifier, NoReplyError, TokenError } from "authmq/client";
const login = async (auth: Auth): Promise<string> =>
  (await auth.session.login({ username: "root", password: "x", ip: null })).id_token;
// @ts-expect-error a request is typed
const wrong = (auth: Auth) => auth.session.login({ username: 1 });
const auth = await createAuth({ config: "config.json" });
await auth.migrate();
const code = await login(auth).catch((error: unknown) => (error instanceof AppError ? error.code : wrong));
console.log(code, ERRORS.INVALID_CREDENTIALS.resp);
await auth.close();

const typed = async (client: AuthClient): Promise<string> =>
  (await client.session.login({ username: "root", password: "x" })).id_token;
// @ts-expect-error so is one over the broker
const untyped = (client: AuthClient) => client.call("login", { username: 1 });
const session = (client: AuthClient) => createSession(client, { username: "root", password: "x" });
const outcome: unknown = await connect({ url: "amqp://127.0.0.1:1", timeout: 300 }).catch((error: unknown) => error);
console.log(outcome instanceof NoReplyError ? outcome.code : [outcome, typed, untyped, session]);
const { verify } = createVerifier({ issuer: "authmq", keys: readFileSync("signing-key.pub.pem", "utf8") });
const refusal: unknown = await verify("no token").catch((error: unknown) => error);
console.log(refusal instanceof TokenError ? refusal.code : refusal);
`;

test("the packed tarball, installed in an empty folder, has the bin and the typed exports", async () => {
  const folder = newFolder();
  const run = (command: string, args: readonly string[]): string =>
    execFileSync(command, args, { cwd: folder, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const { worker } = await packedCheckout();
  const files = run("tar", ["-tzf", worker])
    .trim()
    .split("\n")
    .map((path) => path.replace(/^package\//, ""));
  assert.deepEqual(
    files.filter((path) => STRAY.test(path)),
    [],
  );
  assert.ok(files.length > 100, `${files.length} files`);

  writeFileSync(join(folder, "package.json"), '{"private":true,"type":"module"}');
  runNpm(["install", "--no-audit", "--no-fund", "--silent", "--prefer-offline", worker], folder);
  const installed = join(folder, "node_modules/authmq");
  for (const path of files) assert.doesNotMatch(readFileSync(join(installed, path), "utf8"), KEY, path);
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
    ...["--strict", "--module", "nodenext", "--target", "es2024"],
    ...["--lib", "es2024,esnext.disposable", "--types", "node", "--typeRoots", roots, "program.ts"],
  ]);
  const expected = ["INVALID_CREDENTIALS 401", "NO_REPLY", "INVALID_TOKEN"];
  assert.deepEqual(run(process.execPath, ["program.js"]).trim().split("\n"), expected);
});
