import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { messageOf } from "../errors.ts";

/** The stdout and stderr of a command. */
interface GuardedOutput {
  /** Resolves when stdout has been written, with the exit code of a successful command: 1 if writing failed. */
  finish(): Promise<number>;
}

/**
 * Lets a command finish its work when the reader closes the pipe (`| head -1`). `finish()` also keeps the output
 * complete: `process.exit()` would drop data that a slow reader has not read yet.
 */
export function guardOutput(): GuardedOutput {
  let failure: Error | undefined;
  process.stdout.on("error", (error: Error) => (failure ??= error));
  process.stderr.on("error", () => undefined);
  return {
    async finish() {
      await setImmediate(); // a failed write is reported in the next turn of the event loop
      while (failure === undefined && process.stdout.writableLength > 0)
        await Promise.race([once(process.stdout, "drain"), once(process.stdout, "error")]).catch(
          () => undefined,
        );
      if (failure === undefined || isClosedPipe(failure)) return 0;
      process.stderr.write(`authmq: cannot write to stdout: ${messageOf(failure)}\n`);
      return 1;
    },
  };
}

function isClosedPipe(error: Error): boolean {
  return "code" in error && error.code === "EPIPE";
}
