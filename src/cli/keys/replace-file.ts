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
 * Replaces a file atomically with the text that `edit` returns, and keeps owner and mode. A lock file excludes
 * concurrent edits. If `edit` rejects or returns undefined, the file stays unchanged.
 */
export async function replaceFile(path: string, edit: () => Promise<string | undefined>): Promise<void> {
  const file = realpathSync(path); // keep a symbolic link, and replace its target
  const next = `${file}.lock`;
  const fd = openNew(next);
  try {
    const text = await edit();
    if (text === undefined) {
      rmSync(next);
      return;
    }
    writeFileSync(fd, text);
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

/** Makes the rename durable: without it, a crash of the host could restore the old file. */
function flushFolder(folder: string): void {
  try {
    const fd = openSync(folder, "r");
    fsyncSync(fd);
    closeSync(fd);
  } catch {
    // The file is already replaced. Some file systems cannot flush folders.
  }
}

/** Creates the new file, whose name is also the lock, like git's index.lock. */
function openNew(path: string): number {
  try {
    return openSync(path, "wx", 0o600);
  } catch (error) {
    const exists = error instanceof Error && "code" in error && error.code === "EEXIST";
    const advice = exists
      ? `${path} exists: another rotation is running, or was killed; remove the file if none is running`
      : `cannot write next to the configuration: ${messageOf(error)}`;
    throw new ExitError(1, advice, { cause: error });
  }
}
