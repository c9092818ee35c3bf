import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  type BlockedWorker,
  childOf,
  hasEnded,
  createPipe,
  startBlockedWorker,
} from "../support/blocked-worker.ts";
import { mountHanging, mountSmall } from "../support/mounts.ts";
import type { LogLine } from "../support/log-lines.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { ask, scrape } from "./endpoints.ts";

const DROPPED = "log lines were dropped: nobody read them in time";

/** Enough requests to fill a pipe and the buffer behind it. */
const MANY = 12_000;

/** A timeout that suffices on a busy machine. */
const BUSY = { seconds: 60 };

const parse = (text: string): LogLine[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as LogLine);

describe("a pipe without a reader", { skip: process.platform === "win32" }, () => {
  test("blocks no request, probe or SIGTERM, and one line has the number of dropped lines", async () => {
    using pipe = createPipe();
    await using worker = await startBlockedWorker({ stderr: pipe.writer });
    await worker.flood(MANY);
    assert.equal((await ask(worker.port, "/livez")).status, 200);
    const dropped = (await scrape(worker.port)).value("authmq_log_lines_dropped_total");
    assert.ok(dropped > 1000, String(dropped));
    let text = "";
    await waitUntil(
      "the line with the number",
      () => {
        text += pipe.read();
        return text.includes(DROPPED) ? true : undefined;
      },
      BUSY,
    );
    const before = await scrape(worker.port);
    assert.equal(before.value("authmq_log_lines_dropped_total"), dropped);
    await worker.flood(10);
    const { code } = await worker.terminate();
    assert.equal(code, 0);
    const lines = parse(text + pipe.read());
    const summary = lines.filter(({ msg }) => msg === DROPPED);
    assert.deepEqual(
      summary.map(({ level, dropped: count }) => [level, count]),
      [[40, dropped]],
    );
    const answered = lines.filter(({ msg }) => msg === "a request was answered").length;
    assert.equal(answered, MANY + 10 - dropped, "each line is written or counted");
    assert.equal(lines.at(-1)?.msg, "stopped");
  });

  test("does not delay SIGTERM, and its first lines are complete", async () => {
    using pipe = createPipe();
    await using worker = await startBlockedWorker({ stderr: pipe.writer });
    await worker.flood(500);
    const { code, ms } = await worker.terminate();
    assert.equal(code, 0);
    assert.ok(ms < 5000, `${ms} ms`);
    const lines = parse(pipe.read());
    assert.equal(
      lines.some(({ msg }) => msg === "ready"),
      true,
    );
  });
});

test("a socket without a reader blocks neither requests nor SIGTERM", async () => {
  await using worker = await startBlockedWorker({ stderr: "pipe" });
  worker.child.stderr?.pause();
  await worker.flood(3000);
  assert.equal((await ask(worker.port, "/livez")).status, 200);
  const { code, ms } = await worker.terminate();
  assert.equal(code, 0);
  assert.ok(ms < 5000, `${ms} ms`);
});

test("a stopped terminal blocks neither requests nor SIGTERM", {
  skip: process.platform !== "linux",
}, async () => {
  // The terminal's buffer fills up because `script` cannot write to the full pipe.
  using pipe = createPipe();
  await using worker = await startBlockedWorker({
    stderr: pipe.writer,
    wrap: (command) => [
      "script",
      "--quiet",
      "--return",
      "--command",
      `exec ${command.join(" ")}`,
      "/dev/null",
    ],
  });
  await worker.flood(2000);
  assert.equal((await ask(worker.port, "/livez")).status, 200);
  const pid = childOf(worker.child.pid);
  const ended = worker.terminate(pid);
  await waitUntil("the end of the worker", () => (hasEnded(pid) ? true : undefined), BUSY);
  pipe.read(); // `script` can write again
  assert.equal((await ended).code, 0);
});

test("a pipe whose reader has exited blocks nothing, and its lines are counted as dropped", async () => {
  const pipe = createPipe();
  await using worker = await startBlockedWorker({ stderr: pipe.writer });
  pipe[Symbol.dispose]();
  await worker.flood(20);
  await waitUntil("the lines that are counted", async () =>
    (await scrape(worker.port)).value("authmq_log_lines_dropped_total") >= 20 ? true : undefined,
  );
  assert.equal((await worker.terminate()).code, 0);
});

describe("a log file", { skip: process.platform !== "linux" }, () => {
  const fileLog = (path: string) => ({ handler: "file", handler_settings: { path } });

  test("that is a FIFO without a reader blocks nothing, and its lines go to stderr when it is full", async () => {
    using fifo = createPipe();
    using stderr = createPipe();
    await using worker = await startBlockedWorker({ stderr: stderr.writer, log: fileLog(fifo.path) });
    let said = "";
    await worker.flood(MANY);
    await waitUntil(
      "the lines on stderr",
      () => {
        said += stderr.read();
        return said.includes("a request was answered") ? true : undefined;
      },
      BUSY,
    );
    const [why] = parse(said.slice(said.indexOf("{"))).filter(({ msg }) =>
      msg.startsWith("the log file takes no"),
    );
    assert.deepEqual([why?.["path"], why?.["reason"]], [fifo.path, "no process reads it in time"]);
    const { code, ms } = await worker.terminate();
    assert.equal(code, 0);
    assert.ok(ms < 5000, `${ms} ms`);
    assert.match(fifo.read(), /"msg":"ready"/);
  });

  test("on a full disk loses no line: lines go to stderr, and to the file again when there is space", async (t) => {
    using disk = mountSmall();
    if (disk === undefined) return t.skip("needs the right to mount");
    const path = join(disk.folder, "authmq.log");
    using stderr = createPipe();
    await using worker = await startBlockedWorker({ stderr: stderr.writer, log: fileLog(path) });
    writeFileSync(join(disk.folder, "filling"), "");
    let said = "";
    let requests = 0;
    await waitUntil(
      "the lines on stderr",
      async () => {
        await worker.flood(20);
        requests += 20;
        said += stderr.read();
        return said.includes("a request was answered") ? true : undefined;
      },
      BUSY,
    );
    const before = readFileSync(path, "utf8");
    disk.enlarge();
    await worker.flood(5);
    assert.equal((await worker.terminate()).code, 0);
    said += stderr.read();
    const text = readFileSync(path, "utf8");
    assert.ok(text.startsWith(before), "the file has lost its first lines");
    // A line that was written partly is complete on stderr, and the next line in the file starts on a new line.
    const inFile = text
      .trimEnd()
      .split("\n")
      .filter((line) => line.endsWith("}"))
      .map((line) => parse(line)[0]?.msg);
    const answered = (messages: readonly unknown[]) =>
      messages.filter((msg) => msg === "a request was answered").length;
    assert.ok(
      inFile.includes("the log file takes lines again: those in between are on stderr"),
      [...new Set(inFile)].join("\n"),
    );
    const onStderr = parse(said.slice(said.indexOf("{"))).map(({ msg }) => msg);
    assert.equal(answered(inFile) + answered(onStderr), requests + 5);
    assert.equal(onStderr.filter((msg) => msg.startsWith("the log file takes no lines")).length, 1);
    return undefined;
  });

  test("on a hung mount blocks neither the start, requests nor SIGTERM", async (t) => {
    await using mount = await mountHanging();
    if (mount === undefined) return t.skip("needs the right to mount, and /dev/fuse");
    using stderr = createPipe();
    await using worker: BlockedWorker = await startBlockedWorker({
      stderr: stderr.writer,
      log: fileLog(join(mount.folder, "authmq.log")),
    });
    await worker.flood(200);
    assert.equal((await ask(worker.port, "/livez")).status, 200);
    const { code, ms } = await worker.terminate();
    assert.equal(code, 0);
    assert.ok(ms < 8000, `${ms} ms`);
    assert.match(stderr.read(), /the log file does not open/);
    return undefined;
  });
});

test("with the handler amqp, a stderr without a reader blocks nothing", async () => {
  using pipe = createPipe();
  await using worker = await startBlockedWorker({
    stderr: pipe.writer,
    log: { handler: "amqp", handler_settings: { exchange: "missing" } },
  });
  await worker.flood(2000);
  assert.equal((await ask(worker.port, "/livez")).status, 200);
  const { code, ms } = await worker.terminate();
  assert.equal(code, 0);
  assert.ok(ms < 10_000, `${ms} ms`);
});
