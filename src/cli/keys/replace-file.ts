import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { messageOf } from "../../errors.ts";
import { ExitError } from "../exit.ts";

/**
 * Replaces a file by the text that `edit` gives, in one step: who reads it meanwhile finds the old one or the new one whole.
 * Owner and mode stay, and nobody else edits it like this at the same time. Without a text nothing is replaced.
 */
export async function replaceFile(path: string, edit: () => Promise<string>): Promise<void> {
  const file = realpathSync(path); // a link stays a link
  const next = `${file}.lock`;
  const fd = openNew(next);
  try {
    writeFileSync(fd, await edit());
    const { mode, uid, gid } = statSync(file);
    fchownSync(fd, uid, gid);
    fchmodSync(fd, mode);
    fsyncSync(fd);
    renameSync(next, file);
    flushFolder(dirname(file));
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Until then a crash of the host could bring the old file back. */
function flushFolder(folder: string): void {
  try {
    const fd = openSync(folder, "r");
    fsyncSync(fd);
    closeSync(fd);
  } catch {
    // The file is replaced by now, and where folders cannot be flushed nothing is to be done about it.
  }
}

/** Its name is what keeps a second one out, as git does it. */
function openNew(path: string): number {
  try {
    return openSync(path, "wx", 0o600);
  } catch (error) {
    const isThere = error instanceof Error && "code" in error && error.code === "EEXIST";
    const advice = isThere
      ? `${path} is there: another rotation runs, or one was killed; remove it if none runs`
      : `cannot write next to the configuration: ${messageOf(error)}`;
    throw new ExitError(1, advice, { cause: error });
  }
}
