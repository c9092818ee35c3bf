import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";

/** Collects the log of `authmq serve`; resolves when it is ready, rejects when it ends before. */
export async function untilReady(child: ChildProcessWithoutNullStreams): Promise<string> {
  let log = "";
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  child.stderr.on("data", (chunk: Buffer) => {
    log += chunk.toString();
    if (log.includes('"msg":"ready"')) resolve(log);
  });
  child.once("exit", (code) => reject(new Error(`it ended with ${code}\n${log}`)));
  return promise;
}

/** Stops a process with SIGTERM and waits until it has exited. */
export async function endOf(child: ChildProcessWithoutNullStreams): Promise<void> {
  const exit = once(child, "exit");
  child.kill("SIGTERM");
  await exit;
}
