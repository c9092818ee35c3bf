import { type Db, dialectOf } from "../database.ts";
import { toSqlTime } from "../time.ts";

/** By so much clocks may differ without one replica taking another's lease for one of a wrong clock, in milliseconds. */
const SKEW = 5000;

/** Whether this replica may do the work of this name for so many milliseconds, and no other one. */
export async function takeLease(db: Db, name: string, duration: number): Promise<boolean> {
  return (await holdLease(db, name, duration)) !== undefined;
}

/**
 * Until when this replica may do the work of this name, which no other one does meanwhile: for so many milliseconds from
 * now. `held` is what the same call gave before, for one that goes on. Undefined when another replica has it.
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
        // One that is held for longer than anybody asks for was taken by a replica whose clock is wrong.
        is("held_until", ">", toSqlTime(new Date(until.getTime() + SKEW))),
        ...(held === undefined ? [] : [is("held_until", "=", toSqlTime(held))]),
      ]),
    )
    .executeTakeFirst();
  return numUpdatedRows > 0n ? until : undefined;
}

/** Lets another replica do the work at once. */
export async function releaseLease(db: Db, name: string, held: Date): Promise<void> {
  await db
    .updateTable("lease")
    .set({ held_until: toSqlTime(new Date(0)) })
    .where("name", "=", name)
    .where("held_until", "=", toSqlTime(held))
    .execute();
}
