import type { LineSink } from "./line-sink.ts";
import { createLogOn } from "./log.ts";

/** What becomes of lines that a sink cannot write. */
export interface LineOverflow {
  /** Takes a line that was not written, and why. */
  take(line: string, reason: string): void;
  /** Called whenever the sink has written all that waited. */
  recovered(sink: LineSink): void;
}

/** Drops such lines. `count` is called for each; after the recovery one line says how many they were. */
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

/** Writes such lines to stderr, after one line with the reason; one line in the file says when it is written again. */
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
