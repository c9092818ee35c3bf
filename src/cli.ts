#!/usr/bin/env node
import module from "node:module";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < 24 || (major === 24 && minor < 15)) {
  process.stderr.write(
    `authmq needs Node 24.15 or newer, and this is Node ${process.versions.node}: please update Node\n`,
  );
  process.exitCode = 1;
} else {
  // Other users of this host can read command lines, and a request may hold a password: a title overwrites it.
  const [, , command = ""] = process.argv;
  if (command === "call" || command === "bench") process.title = `authmq ${command}`;
  // libuv reads this when its pool starts: one thread per processor for password hashes, two for all other work.
  process.env["UV_THREADPOOL_SIZE"] ??= String(Math.max(4, availableParallelism() + 2));
  // Cached compiled code saves a third of the start time. Not in the system's temporary folder (Node's default), because
  // users who can write there could run code in this process.
  module.enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/authmq", import.meta.url)));
  // Imported late: an older Node cannot parse these modules.
  const { runProgram } = await import("./cli/program.ts");
  process.exit(await runProgram(process.argv.slice(2)));
}
