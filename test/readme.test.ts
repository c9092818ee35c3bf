import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { stripTypeScriptTypes } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { dockerComposeAnswers } from "./demo/compose.ts";
import { newFolder } from "./support/cli.ts";
import { runNpm } from "./support/npm.ts";
import { packedCheckout } from "./support/packed-checkout.ts";
import { createVhost, deleteVhost } from "./support/rabbitmq.ts";
import { missingForPython } from "./support/python.ts";

const checkout = resolve(import.meta.dirname, "..");
const readme = readFileSync(join(checkout, "README.md"), "utf8");

const TRY_IT = "Try it";
const OPERATORS = "First call: operators";
const CALLERS = "First call: callers";
const WHO = "Who authenticates how?";
const DOCKER = "Docker";

/** Calls the function of the block about verifying. */
const CALL_REQUIRE_ADMIN = `
import { connect, TokenError } from "@authmq/client";
import { requireAdmin } from "./require-admin.mjs";
const auth = await connect({ url: process.env.AMQP_URL });
const tokenOf = async (username, password) => {
  const { id_token } = await auth.session.login({ username, password });
  return (await auth.session.getAccessToken({ id_token })).access_token;
};
const admin = await requireAdmin(await tokenOf("root", "correct horse battery"));
const refused = await requireAdmin(await tokenOf("alice", "staple battery horse")).catch((error) => error);
console.log(\`\${admin} is an admin, alice gives \${refused instanceof TokenError ? refused.code : refused}\`);
await auth.close();
`;

/** The blocks of a language in a section. */
function blocks(heading: string, language: string): string[] {
  const section = readme.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  assert.ok(section !== undefined, heading);
  return Array.from(
    section.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms")),
    ([, code = ""]) => code,
  );
}

/** The commands of a block, without what explains them. */
function commands(block = ""): string[] {
  return block
    .split("\n")
    .map((line) => line.replace(/\s+#.*$/, ""))
    .filter((line) => line !== "");
}

/** The packages that `make pack` writes in the checkout beside a reader's folder. */
async function copyPackages(folder: string): Promise<void> {
  const packages = join(folder, "authmq/dist/packages");
  mkdirSync(packages, { recursive: true });
  const { worker, client } = await packedCheckout();
  for (const tarball of [worker, client]) copyFileSync(tarball, join(packages, basename(tarball)));
}

/** Node 20.19, the oldest version on which callers run. */
function installNode20(folder: string): string {
  const name = `node-linux-${process.arch}`;
  runNpm(["install", "--no-audit", "--no-fund", "--silent", "--prefix", folder, `${name}@20.19`], folder);
  return join(folder, "node_modules", name, "bin/node");
}

async function run(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv },
): Promise<{ code: number | null; said: string }> {
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { code: child.exitCode, said: stdout + stderr };
}

test("every block of README.md is run by a test of this file, and it has under 200 lines", () => {
  const sections = readme.split(/^## /m).flatMap((section) => {
    const [heading = ""] = section.split("\n", 1);
    return Array.from(section.matchAll(/^```(\w+)$/gm), ([, language = ""]) => [heading, language]);
  });
  assert.deepEqual(sections, [
    [TRY_IT, "sh"],
    [OPERATORS, "sh"],
    [CALLERS, "sh"],
    [CALLERS, "ts"],
    [CALLERS, "python"],
    [CALLERS, "sh"],
    [WHO, "ts"],
    [DOCKER, "sh"],
  ]);
  assert.ok(readme.split("\n").length < 200, "lines");
});

describe("the first call of README.md", { skip: missingForPython() ?? false }, () => {
  test("works by copy and paste, and a second time says what is there", { timeout: 300_000 }, async () => {
    const folder = newFolder();
    const vhost = await createVhost();
    const env = {
      ...process.env,
      // Node 24 first, as on a reader's machine; Debian's own Python has Debian's pika.
      PATH: `${dirname(process.execPath)}:/usr/bin:${process.env["PATH"] ?? ""}`,
      AMQP_URL: vhost.url,
      npm_config_update_notifier: "false",
      CHECKOUT: checkout,
      NODE20: installNode20(newFolder()),
    };
    const [install = ""] = blocks(OPERATORS, "sh");
    const [installClient = "", call = ""] = blocks(CALLERS, "sh");
    const [typescript = ""] = blocks(CALLERS, "ts");
    const [python = ""] = blocks(CALLERS, "python");
    const [verifier = ""] = blocks(WHO, "ts");
    // One shell, as a reader has it: the worker runs in its background, and is ended with it.
    const script = (mode: string): string =>
      [
        `set ${mode}um`,
        install.replace("npx authmq serve &", "npx authmq serve >serve.out 2>serve.log &\nworker=$!"),
        // With all that it started, as a shell ends a job.
        "trap 'kill -- -$worker; wait $worker || true' EXIT",
        "for _ in $(seq 600); do grep -q ready serve.log && break; sleep 0.1; done",
        // Callers have a folder of their own, the client alone, and Node 20.
        "mkdir -p ../caller && cp signing-key.pub.pem ../first-call.mjs ../require-admin.mjs ../call-require-admin.mjs ../caller",
        `(cd ../caller && npm init -y >/dev/null && ${installClient.trim()})`,
        '(cd ../caller && "$NODE20" first-call.mjs && "$NODE20" call-require-admin.mjs)',
        "cp ../first_call.py .",
        'cp "$CHECKOUT/examples/python/authmq_client.py" .',
        "python3 first_call.py",
        call,
      ].join("\n");
    try {
      await copyPackages(folder);
      writeFileSync(join(folder, "first-call.mjs"), typescript);
      writeFileSync(join(folder, "first_call.py"), python);
      // A service on Node 20 compiles its TypeScript.
      writeFileSync(join(folder, "require-admin.mjs"), stripTypeScriptTypes(verifier));
      writeFileSync(join(folder, "call-require-admin.mjs"), CALL_REQUIRE_ADMIN);
      const first = await run("bash", ["-c", script("-e")], { cwd: folder, env });
      assert.equal(first.code, 0, first.said);
      assert.match(first.said, /^alice was created at 20\S+Z$/m);
      assert.match(first.said, /^root is an admin, alice gives FORBIDDEN$/m);
      assert.match(first.said, /^users: alice, root$/m);
      assert.match(first.said, /"resp_code":200,"resp_data":\{"id_token":"/);

      const second = await run("bash", ["-c", script("-")], { cwd: folder, env });
      assert.equal(second.code, 0, second.said);
      for (const line of [
        /^authmq: config\.json, .* already exists, and init never overwrites a file: use what exists/m,
        /^up to date$/m,
        /^authmq: the username root is taken$/m,
        /^alice exists already$/m,
        /^alice was created at 20\S+Z$/m,
        /^users: alice, root$/m,
        /"resp_code":200/,
      ])
        assert.match(second.said, line);
      assert.doesNotMatch(second.said, /^\s+at .*[:(]|^Traceback|^npm error/m, "a stack trace");
    } finally {
      await deleteVhost(vhost.name);
    }
  });
});

test("the demo of README.md works on a broker that AMQP_URL names", { timeout: 300_000 }, async () => {
  const vhost = await createVhost();
  const lines = commands(blocks(TRY_IT, "sh")[0]);
  assert.deepEqual(lines, ["make demo", "make test"]);
  try {
    const env = { ...process.env, AMQP_URL: vhost.url };
    const demo = await run("make", ["demo"], { cwd: checkout, env });
    assert.equal(demo.code, 0, demo.said);
    assert.match(demo.said, /named by AMQP_URL/);
    assert.match(demo.said, /All \d+ replies were as expected/);
    assert.ok(!demo.said.includes(new URL(vhost.url).password), "the password");
    // This is a part of make test, so that it can only be seen that there is such a target.
    assert.equal((await run("make", ["--dry-run", "test"], { cwd: checkout })).code, 0);
  } finally {
    await deleteVhost(vhost.name);
  }
});

describe("the commands with Docker in README.md", () => {
  const [secrets = "", ...docker] = commands(blocks(DOCKER, "sh")[0]);

  test("begin with passwords, which a second run leaves alone", async () => {
    const folder = newFolder();
    copyFileSync(join(checkout, "Makefile"), join(folder, "Makefile"));
    const read = (): string[] =>
      readdirSync(join(folder, "secrets")).map((name) => readFileSync(join(folder, "secrets", name), "utf8"));
    for (let turn = 0, before: string[] = []; turn < 2; turn++) {
      const { code, said } = await run("bash", ["-ec", secrets], { cwd: folder });
      assert.equal(code, 0, said);
      const passwords = read();
      assert.equal(new Set(passwords).size, 3);
      if (turn > 0) assert.deepEqual(passwords, before);
      before = passwords;
    }
  });

  test("name services and commands that there are", async (context) => {
    const compose = readFileSync(join(checkout, "docker-compose.yml"), "utf8");
    assert.equal(docker.length, 4);
    for (const line of docker) {
      assert.match(line, /^docker compose (?:up|exec|cp) /);
      assert.ok(!line.includes("worker") || /^ {2}worker:$/m.test(compose), line);
    }
    if (!(await dockerComposeAnswers())) {
      context.skip("Docker does not run here");
      return;
    }
    const { code, said } = await run("docker", ["compose", "config", "--quiet"], { cwd: checkout });
    assert.equal(code, 0, said);
  });
});
