import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { DbConfig } from "../config/load.ts";
import { AppError } from "../errors.ts";
import type { Database } from "./database.ts";
import { probeWrites } from "./queries/write-probe.ts";

/** With less room than this, in bytes, the next requests fail: SQLite can only write over what it has freed itself. */
const TOO_LITTLE = 64 * 1024;

/** DiskSpace on the file system of a database file, in bytes. */
export interface DiskSpace {
  readonly free: number;
  readonly size: number;
}

/** Rejects with UNAVAILABLE when the database takes no writes; changes nothing in it. */
export async function assertWritable(db: Database, config: DbConfig): Promise<void> {
  if (config.dialect === "sqlite") {
    const { free } = await diskSpaceOf(config.file);
    if (free < TOO_LITTLE)
      throw new AppError(
        "UNAVAILABLE",
        `database: the file system of ${config.file} is full (${free} bytes are free)`,
      );
  }
  await probeWrites(db);
}

/** The room that is left for a database file and the files beside it. */
export async function diskSpaceOf(file: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(dirname(file));
  return { free: bavail * bsize, size: blocks * bsize };
}
