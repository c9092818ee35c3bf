import { accessSync, constants, createReadStream, statSync } from "node:fs";
import type { Readable } from "node:stream";
import { messageOf } from "../../errors.ts";
import { ExitError } from "../exit.ts";

/** A file, or stdin, that is read to its end unless somebody gives up. */
export interface Source {
  /** In bytes; undefined where it is not known before the end. */
  readonly size: number | undefined;
  /** Bytes that were read so far. */
  readonly position: number;
  /** The bytes; throws GivenUp when nobody wants the rest. */
  chunks(): AsyncIterable<Buffer>;
  giveUp(): void;
}

/** Nobody wants the rest: what was read last may be half of a line. */
export class GivenUp extends Error {
  override readonly name = "GivenUp";
}

/** Opens a file, `-` for stdin; ends the command with 2 where that cannot be. */
export function openSource(file: string): Source {
  const size = file === "-" ? undefined : sizeOf(file);
  const stream: Readable = file === "-" ? process.stdin : createReadStream(file);
  let position = 0;
  let isGivenUp = false;
  return {
    size,
    get position() {
      return position;
    },
    async *chunks() {
      try {
        for await (const chunk of stream) {
          const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
          position += bytes.length;
          yield bytes;
        }
      } catch (error) {
        if (!isGivenUp) throw error;
      }
      if (isGivenUp) throw new GivenUp();
    },
    giveUp() {
      isGivenUp = true;
      stream.destroy();
    },
  };
}

function sizeOf(file: string): number | undefined {
  try {
    accessSync(file, constants.R_OK);
    const facts = statSync(file);
    if (facts.isDirectory()) throw new Error("it is a directory");
    return facts.isFile() ? facts.size : undefined;
  } catch (error) {
    throw new ExitError(2, `cannot read ${file}: ${messageOf(error)}`);
  }
}
