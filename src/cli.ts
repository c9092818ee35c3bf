#!/usr/bin/env node
import { availableParallelism } from "node:os";

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
  // Imported only now: an older Node cannot even parse what lies behind it.
  const { run } = await import("./cli/program.ts");
  process.exit(await run(process.argv.slice(2)));
}
