import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, closeSync, openSync, statSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** Owner and permissions of a new key file. */
export interface FileAccess {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** How a key is given in the configuration. */
interface GivenKey {
  readonly type: string;
  readonly value: string;
}

/** Those of the active key's file, so that the worker can read new keys; of the configuration if it holds the key. */
export function fileAccessOf(active: GivenKey | undefined, file: string): FileAccess {
  const holder = active?.type === "keyfile" ? resolve(dirname(resolve(file)), active.value) : file;
  const { uid, gid, mode } = statSync(holder);
  return { uid, gid, mode: mode & 0o640 };
}

/** A name for a new key file without ending, with the day. */
export function newKeyName(kind: "signing-key" | "encryption-key"): string {
  const day = new Date().toISOString().slice(0, 10);
  return `${kind}-${day}-${randomBytes(3).toString("hex")}`;
}

/** Writes a new file. Adds it to `created` as soon as it exists, for the cleanup after an error. */
export function writeKeyFile(
  path: string,
  content: string,
  { uid, gid, mode }: FileAccess,
  created: string[],
): void {
  closeSync(openSync(path, "wx", 0o600));
  created.push(path); // before the content: the disk may be full
  writeFileSync(path, content, { flush: true });
  chownSync(path, uid, gid);
  chmodSync(path, mode); // regardless of the umask
}
