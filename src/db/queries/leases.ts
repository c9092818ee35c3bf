import { type Db, dialectOf } from "../database.ts";
import { toSqlTime } from "../time.ts";

/** Whether this replica may do the work of this name for so many milliseconds, and no other one. */
export async function takeLease(db: Db, name: string, duration: number): Promise<boolean> {
  const now = Date.now();
  const never = { name, held_until: toSqlTime(new Date(0)) };
  const insert = db.insertInto("lease").values(never);
  await (dialectOf(db) === "mysql"
    ? insert.onDuplicateKeyUpdate({ name })
    : insert.onConflict((conflict) => conflict.doNothing())
  ).execute();
  const { numUpdatedRows } = await db
    .updateTable("lease")
    .set({ held_until: toSqlTime(new Date(now + duration)) })
    .where("name", "=", name)
    // One that is held for longer than anybody asks for was taken by a replica whose clock is wrong.
    .where((is) =>
      is.or([
        is("held_until", "<=", toSqlTime(new Date(now))),
        is("held_until", ">", toSqlTime(new Date(now + duration))),
      ]),
    )
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}
