import type { Db } from "../database.ts";

/** Reads at most one row; rejects when the database cannot be used. */
export async function ping(db: Db): Promise<void> {
  await db.selectFrom("user").select("username").limit(1).execute();
}
