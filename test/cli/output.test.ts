import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { folderWith, newFolder, runCli } from "../support/cli.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { provision } from "../support/worker.ts";

const CLI = resolve(import.meta.dirname, "../../src/cli.ts");

/** Runs a shell command line; $AUTHMQ is the CLI. */
async function shell(
  line: string,
  cwd: string,
): Promise<{ stdout: string; stderr: string; code: number | null }> {
  const child = spawn("bash", ["-c", `set -o pipefail; ${line}`], {
    cwd,
    env: { ...process.env, AUTHMQ: `${process.execPath} ${CLI}`, AUTHMQ_CONFIG: "" },
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { stdout, stderr, code: child.exitCode };
}

describe("a command whose output goes into a pipe", { skip: process.platform === "win32" }, () => {
  test("completes its work without a stack trace if the reader closes the pipe", async () => {
    const cwd = newFolder();
    for (const command of [
      "--help",
      "keys generate --alg EdDSA",
      "schemas --out schemas",
      "init .",
      "migrate --config config.json",
      "migrate --status --config config.json",
      "users export --config config.json",
    ]) {
      const { stderr } = await shell(`$AUTHMQ ${command} | true`, cwd);
      assert.doesNotMatch(stderr, /EPIPE|Error|\n +at /, command);
    }
    const status = await runCli(["migrate", "--status", "--config", "config.json"], { cwd });
    assert.equal(status.code, 0);
    assert.doesNotMatch(status.stdout, /pending/, "the migration was not interrupted");
  });

  test("writes all output to a slow reader", async () => {
    const { raw, vhost, cleanUp } = await provision();
    await using caller = await connectRaw(vhost.url);
    const { channel } = caller;
    await channel.assertQueue("large", { durable: true });
    const resp_data = { filling: "x".repeat(1_000_000) };
    await channel.consume("large", (message) => {
      const { replyTo, correlationId } = message!.properties as { replyTo: string; correlationId: string };
      channel.sendToQueue(replyTo, Buffer.from(JSON.stringify({ resp_code: 200, resp_data })), {
        correlationId,
      });
    });
    const { stdout, code } = await shell(
      "$AUTHMQ call large '{}' --config config.json | (sleep 1; cat)",
      folderWith(raw),
    );
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), { resp_code: 200, resp_data });
    await cleanUp();
  });

  test("reports a full disk", async () => {
    const { code, stderr } = await shell("$AUTHMQ keys generate --alg EdDSA > /dev/full", newFolder());
    assert.equal(code, 1);
    assert.match(stderr, /^authmq: cannot write to stdout: .*ENOSPC/);
  });
});
