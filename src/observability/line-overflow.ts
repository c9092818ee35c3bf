import type { LineSink } from "./line-sink.ts";
import { createLogOn } from "./log.ts";

/** Handles lines that a sink cannot write. */
export interface LineOverflow {
  /** Handles a line that was not written, with the reason. */
  take(line: string, reason: string): void;
  /** Called each time the sink has written all waiting lines. */
  recovered(sink: LineSink): void;
}

/** Drops lines and calls `count` for each; after the recovery one line says how many were dropped. */
export function dropLines(count: () => void): LineOverflow {
  let dropped = 0;
  return {
    take() {
      dropped++;
      count();
    },
    recovered(sink) {
      if (dropped === 0) return;
      const lines = dropped;
      dropped = 0;
      createLogOn(sink, "warn").warn({ dropped: lines }, "log lines were dropped: nobody read them in time");
    },
  };
}

/** Writes lines to stderr, after one line with the reason; after the recovery one line in the file says so. */
export function divertLines(path: string, stderr: LineSink): LineOverflow {
  let isFailing = false;
  return {
    take(line, reason) {
      if (!isFailing) {
        isFailing = true;
        createLogOn(stderr, "warn").warn(
          { path, reason },
          "the log file takes no lines: they are written here",
        );
      }
      stderr.write(line, 0);
    },
    recovered(sink) {
      if (!isFailing) return;
      isFailing = false;
      createLogOn(sink, "warn").warn(
        { path },
        "the log file takes lines again: those in between are on stderr",
      );
    },
  };
}
