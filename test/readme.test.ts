import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { once } from "node:events";
import { createVhost, deleteVhost } from "./support/env.ts";
import { newFolder } from "./support/cli.ts";
import { missingForPython } from "./support/python.ts";

const checkout = resolve(import.meta.dirname, "..");
const readme = readFileSync(join(checkout, "README.md"), "utf8");
const skip = missingForPython() ?? false;

/** The blocks of a language in the section with the first call. */
function blocks(language: string): string[] {
  const section = readme.split(/^## /m).find((part) => part.startsWith("Your first call"));
  assert.ok(section !== undefined);
  return Array.from(
    section.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms")),
    ([, code = ""]) => code,
  );
}

/** A copy of the package as `make install build` leaves it beside a reader's folder. */
async function buildCheckout(folder: string): Promise<void> {
  const built = join(folder, "authmq");
  mkdirSync(built);
  copyFileSync(join(checkout, "package.json"), join(built, "package.json"));
  symlinkSync(join(checkout, "node_modules"), join(built, "node_modules"));
  const tsc = join(checkout, "node_modules/typescript/bin/tsc");
  const build = ["-p", join(checkout, "src"), "--outDir", join(built, "dist")];
  await run(process.execPath, [tsc, ...build], { cwd: folder });
}

async function run(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv },
): Promise<string> {
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  assert.equal(child.exitCode, 0, `${command}: ${stdout}${stderr}`);
  return stdout;
}

describe("the first call of README.md", { skip }, () => {
  test("works by copy and paste, in TypeScript and in Python", { timeout: 180_000 }, async () => {
    const folder = newFolder();
    const vhost = await createVhost();
    const { hostname, port, username, password } = new URL(vhost.url);
    const env = {
      ...process.env,
      // Node 24 first, as on a reader's machine; Debian's own Python has Debian's pika.
      PATH: `${dirname(process.execPath)}:/usr/bin:${process.env["PATH"] ?? ""}`,
      AMQP_URL: vhost.url,
      AUTHMQ__AMQP_SETTINGS__HOST: hostname,
      AUTHMQ__AMQP_SETTINGS__PORT: port,
      AUTHMQ__AMQP_SETTINGS__USERNAME: username,
      AUTHMQ__AMQP_SETTINGS__PASSWORD: password,
      AUTHMQ__AMQP_SETTINGS__VHOST: vhost.name,
      npm_config_update_notifier: "false",
    };
    const [shell = "", ...moreShell] = blocks("sh");
    const [typescript = "", ...moreTypescript] = blocks("ts");
    const [python = "", ...morePython] = blocks("python");
    assert.deepEqual([moreShell, moreTypescript, morePython], [[], [], []]);
    try {
      await buildCheckout(folder);
      // One shell, as a reader has it: the worker runs in its background, and is ended with it.
      const script = [
        "set -eum",
        shell.replace("npx authmq serve &", "npx authmq serve >serve.out 2>serve.log &\nworker=$!"),
        // With all that it started, as a shell ends a job.
        "trap 'kill -- -$worker; wait $worker || true' EXIT",
        "for _ in $(seq 300); do grep -q ready serve.log && break; sleep 0.1; done",
        "cp ../first-call.mts ../first_call.py .",
        'cp "$CHECKOUT/examples/python/authmq_client.py" .',
        "node first-call.mts",
        "python3 first_call.py",
        `npx authmq call user_get '{"username":"alice"}' || test $? -eq 1`,
      ].join("\n");
      writeFileSync(join(folder, "first-call.mts"), typescript);
      writeFileSync(join(folder, "first_call.py"), python);
      const said = await run("bash", ["-c", script], { cwd: folder, env: { ...env, CHECKOUT: checkout } });
      assert.match(said, /^alice is there since 20\S+Z$/m);
      assert.match(said, /^users: alice, root$/m);
      // A new installation tells nobody without a token about its users.
      assert.match(said, /"resp_code":401/);
    } finally {
      await deleteVhost(vhost.name);
    }
  });
});
