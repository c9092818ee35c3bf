import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { messageOf } from "../errors.ts";

/** What a command writes to stdout and stderr. */
interface GuardedOutput {
  /** Resolves when stdout has taken everything, with the exit code of a command that has done its work. */
  finish(): Promise<number>;
}

/**
 * Lets a command finish when the reader of its output has gone (`| head -1`): what it does besides must not stop half way.
 * And keeps its output whole: `process.exit()` drops what a slow reader has not taken.
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
