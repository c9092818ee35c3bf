import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { DbConfig } from "../config/load.ts";
import { AppError } from "../errors.ts";
import type { Database } from "./database.ts";
import { probeWrites } from "./queries/write-probe.ts";

/** Minimum free space, in bytes: below it the next requests fail, as SQLite can reuse only pages that it has freed. */
const MIN_FREE_SPACE = 64 * 1024;

/** Space on the file system of a database file, in bytes. */
export interface DiskSpace {
  readonly free: number;
  readonly size: number;
}

/** Rejects with UNAVAILABLE if the database accepts no writes; changes nothing in it. */
export async function assertWritable(db: Database, config: DbConfig): Promise<void> {
  if (config.dialect === "sqlite") {
    const { free } = await diskSpaceOf(config.file);
    if (free < MIN_FREE_SPACE)
      throw new AppError(
        "UNAVAILABLE",
        `database: the file system of ${config.file} is full (${free} bytes are free): free space on it`,
      );
  }
  await probeWrites(db);
}

/** Free space for a database file and the files beside it. */
export async function diskSpaceOf(file: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(dirname(file));
  return { free: bavail * bsize, size: blocks * bsize };
}
