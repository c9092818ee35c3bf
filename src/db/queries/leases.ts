import { type Db, dialectOf } from "../database.ts";
import { toSqlTime } from "../time.ts";

/** How far the clocks of replicas may differ, in milliseconds. A lease beyond that comes from a wrong clock. */
const SKEW = 5000;

/** Takes a lease for `duration` milliseconds; false if another replica holds it. */
export async function takeLease(db: Db, name: string, duration: number): Promise<boolean> {
  return (await holdLease(db, name, duration)) !== undefined;
}

/**
 * Takes or renews a lease for `duration` milliseconds and returns its end; undefined if another replica holds it. To
 * renew, pass the previous end as `held`.
 */
export async function holdLease(
  db: Db,
  name: string,
  duration: number,
  held?: Date,
): Promise<Date | undefined> {
  const now = Date.now();
  const until = new Date(now + duration);
  if (held === undefined) {
    const never = { name, held_until: toSqlTime(new Date(0)) };
    const insert = db.insertInto("lease").values(never);
    await (dialectOf(db) === "mysql"
      ? insert.onDuplicateKeyUpdate({ name })
      : insert.onConflict((conflict) => conflict.doNothing())
    ).execute();
  }
  const { numUpdatedRows } = await db
    .updateTable("lease")
    .set({ held_until: toSqlTime(until) })
    .where("name", "=", name)
    .where((is) =>
      is.or([
        is("held_until", "<=", toSqlTime(new Date(now))),
        // Longer than any replica requests: taken by a replica whose clock is wrong.
        is("held_until", ">", toSqlTime(new Date(until.getTime() + SKEW))),
        ...(held === undefined ? [] : [is("held_until", "=", toSqlTime(held))]),
      ]),
    )
    .executeTakeFirst();
  return numUpdatedRows > 0n ? until : undefined;
}

/** Releases a lease, so that another replica can take it at once. */
export async function releaseLease(db: Db, name: string, held: Date): Promise<void> {
  await db
    .updateTable("lease")
    .set({ held_until: toSqlTime(new Date(0)) })
    .where("name", "=", name)
    .where("held_until", "=", toSqlTime(held))
    .execute();
}
