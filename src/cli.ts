#!/usr/bin/env node
import module from "node:module";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { unsupportedNode } from "./config/node-version.ts";

const tooOld = unsupportedNode();

if (tooOld !== undefined) {
  process.stderr.write(`${tooOld}\n`);
  // EX_CONFIG: a process manager must not restart it.
  process.exitCode = 78;
} else {
  // Every user of the host can read command lines, and a request may contain a password: replace it with a title.
  const [, , command = ""] = process.argv;
  if (command === "call" || command === "bench") process.title = `authmq ${command}`;
  // libuv reads this when its pool starts: one hashing thread per processor, and two threads for other work.
  process.env["UV_THREADPOOL_SIZE"] ??= String(Math.max(4, availableParallelism() + 2));
  // Caching compiled code saves a third of the start time. Not in Node's default, the system's folder for temporary
  // files: other users could write code there that this process runs.
  module.enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/authmq", import.meta.url)));
  // Import it only now: older versions of Node cannot parse it.
  const { runProgram } = await import("./cli/program.ts");
  process.exit(await runProgram(process.argv.slice(2)));
}
