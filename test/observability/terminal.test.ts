import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, renameSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, test } from "node:test";
import { SECTIONS } from "../../src/config/schema.ts";
import { openLines } from "../../src/observability/line-writer.ts";
import { createPretty } from "../../src/observability/pretty.ts";
import { noteFile, noteWritten } from "../secrets/notes.ts";
import { folderWith, startCli } from "../support/cli.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { provision } from "../support/worker.ts";
import { HOSTILE, CONTROLS } from "./hostile.ts";

const CLI = resolve(import.meta.dirname, "../../src/cli.ts");

/** Removes colours and styles; all other control sequences stay. */
const withoutColours = (text: string): string => text.replaceAll(/\x1b\[\d{1,2}m/g, "");

// macOS has another program named script.
const isMissing =
  process.platform !== "linux" || spawnSync("script", ["--version"]).status !== 0
    ? "needs script of util-linux"
    : false;

/** Runs a worker on a pseudo-terminal for a few requests; returns the terminal's output. */
async function serveOnTerminal(env: NodeJS.ProcessEnv): Promise<string> {
  const { raw, vhost, cleanUp } = await provision({ config: { log_settings: { level: "info" } } });
  const cwd = folderWith(raw);
  const command = `exec ${process.execPath} ${CLI} serve --migrate`;
  const inherited = { ...process.env, TERM: "xterm-256color" };
  // Under CI Node assumes a terminal without colours.
  for (const name of ["CI", "NO_COLOR", "FORCE_COLOR", "NODE_DISABLE_COLORS", "AUTHMQ_CONFIG"])
    Reflect.deleteProperty(inherited, name);
  const terminal = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
    cwd,
    env: { ...inherited, ...env },
  });
  let said = "";
  terminal.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
    noteWritten("terminal", chunk);
  });
  await waitUntil("ready", () => said.includes("ready"));
  await using caller = await connectRaw(vhost.url);
  caller.publish("user_get", '{"username":"nobody"}', { correlationId: "1234567890", appId: "orders" });
  caller.publish("user_get", "{}", { correlationId: HOSTILE, appId: HOSTILE });
  await waitUntil("the replies", () => caller.replies.length === 2);
  await waitUntil("their lines", () => said.match(/user_get/g)?.length === 2);
  terminal.stdin.end("\x03");
  const [code] = (await once(terminal, "close")) as [number | null];
  await cleanUp();
  assert.equal(code, 0);
  return said.replaceAll("\r\n", "\n");
}

describe("the log on a terminal", { skip: isMissing }, () => {
  test("has one coloured line per request, and escapes control sequences of callers", async () => {
    const said = await serveOnTerminal({});
    assert.match(said, /\x1b\[32mINFO/);
    const plain = withoutColours(said).split("\n");
    // The terminal itself echoes Ctrl-C.
    for (const line of plain) assert.doesNotMatch(line.replaceAll("^C", ""), CONTROLS);
    assert.ok(
      plain.some((line) => /^\d\d:\d\d:\d\d\.\d{3} {2}INFO: ready$/.test(line)),
      said,
    );
    const line = plain.find((one) => one.includes("#12345678"));
    assert.match(
      line ?? "",
      /^[\d:.]{12} {2}INFO: user_get +404 +\d+\.\d ms USER_NOT_FOUND app_id=orders #12345678$/,
    );
    assert.ok((line ?? "").length <= 100, line);
    assert.ok(!said.includes('{"level"'), said);
  });

  test("has no colours with NO_COLOR", async () => {
    const said = await serveOnTerminal({ NO_COLOR: "1" });
    assert.ok(!said.includes("\x1b["), JSON.stringify(said));
    assert.match(said, /INFO: ready$/m);
  });
});

test("formatted records contain no control sequences except colours", () => {
  const pretty = createPretty({ colours: true });
  const error = { type: HOSTILE, message: HOSTILE, stack: `${HOSTILE}\n    at ${HOSTILE}` };
  const hostile = { [HOSTILE]: HOSTILE, list: [HOSTILE], object: { [HOSTILE]: HOSTILE }, name: HOSTILE };
  const records = [
    { level: 30, time: Date.now(), pid: 1, msg: HOSTILE, ...hostile },
    { level: 50, time: Date.now(), pid: 1, msg: "fault", err: { ...error, cause: error }, ...hostile },
    {
      level: 30,
      time: Date.now(),
      queue: HOSTILE,
      code: 200,
      ms: 1,
      user: HOSTILE,
      reason: HOSTILE,
      ...hostile,
    },
    { level: 30, time: HOSTILE, queue: "login", ms: 1, outcome: HOSTILE, correlation_id: HOSTILE },
  ];
  for (const record of records) {
    const text = withoutColours(pretty(JSON.stringify(record)));
    assert.ok(text.endsWith("\n"), JSON.stringify(text));
    for (const line of text.split("\n")) assert.doesNotMatch(line, CONTROLS);
  }
});

test("a log in a file is complete JSON lines, up to the last one", async () => {
  const { raw, cleanUp } = await provision();
  const cwd = folderWith(raw);
  const file = join(cwd, "stderr.txt");
  const descriptor = openSync(file, "w");
  const child = spawn(process.execPath, [CLI, "serve", "--migrate"], {
    cwd,
    stdio: ["ignore", "ignore", descriptor],
  });
  noteFile("stderr of authmq", descriptor);
  closeSync(descriptor);
  await waitUntil("ready", () => readFileSync(file, "utf8").includes('"msg":"ready"'));
  child.kill("SIGTERM");
  await once(child, "exit");
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  assert.equal(messages.at(-1), "stopped");
  await cleanUp();
});

test("a log file that cannot be written does not end the worker", {
  skip: process.platform !== "linux",
}, async () => {
  // A device that is always full.
  const log_settings = { level: "info", handler: "file", handler_settings: { path: "/dev/full" } };
  const { raw, vhost, cleanUp } = await provision({ config: { log_settings } });
  const child = startCli(["serve", "--migrate"], { cwd: folderWith(raw) });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await waitUntil("ready", () => said.includes('"msg":"ready"'));
  await using caller = await connectRaw(vhost.url);
  caller.publish("user_get", "{}", { correlationId: "one" });
  await caller.firstReply("one");
  await waitUntil("its line, here instead", () => said.includes('"msg":"a request was answered"'));
  child.kill("SIGTERM");
  const [code] = (await once(child, "exit")) as [number | null];
  assert.equal(code, 0);
  await cleanUp();
});

test("a renamed log file is recreated under its name", async () => {
  const path = join(scratchFolder, `${randomUUID()}.log`);
  const sink = await openLines(
    SECTIONS.log_settings.parse({ handler: "file", handler_settings: { path } }),
    () => undefined,
  );
  sink.write("before\n", 50);
  renameSync(path, `${path}.1`);
  await waitUntil("a line in the new file", () => {
    sink.write("after\n", 50);
    return existsSync(path) && readFileSync(path, "utf8").startsWith("after\n");
  });
  assert.match(readFileSync(`${path}.1`, "utf8"), /^before\n(after\n)*$/);
});
