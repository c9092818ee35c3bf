#!/usr/bin/env node
import module from "node:module";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < 24 || (major === 24 && minor < 15)) {
  process.stderr.write(
    `authmq needs Node 24.15 or newer, and this is ${process.versions.node}: please update Node\n`,
  );
  process.exitCode = 1;
} else {
  // Everybody on this host can read command lines, and a request in one may hold a password: a title takes its place.
  const [, , command = ""] = process.argv;
  if (command === "call" || command === "bench") process.title = `authmq ${command}`;
  // Read by libuv when its pool starts: every processor can hash while two threads stay for everything else.
  process.env["UV_THREADPOOL_SIZE"] ??= String(Math.max(4, availableParallelism() + 2));
  // What was compiled once is not compiled again, which is a third of the time until a command begins. Beside the packages
  // and not in the system's folder for temporary files, Node's own choice: who writes there must not run as this process.
  module.enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/authmq", import.meta.url)));
  // Imported only now: an older Node cannot even parse what lies behind it.
  const { runProgram } = await import("./cli/program.ts");
  process.exit(await runProgram(process.argv.slice(2)));
}
