import { type Db, dialectOf } from "../database.ts";
import { toSqlTime } from "../time.ts";
import { REMEMBERED } from "./inbox.ts";

/** So long it is kept that a request was parked, in milliseconds. */
const PARKED = 30 * 24 * 60 * 60_000;

/** A message that was delivered more than once: what is known of it without its body. */
export interface RedeliveredMessage {
  readonly messageKey: Uint8Array;
  readonly bodyHash: Uint8Array;
  readonly queue: string;
  /** Who sent it, as far as its properties tell. */
  readonly caller: string;
}

/** A request that was given up. */
export interface ParkedRequest {
  readonly queue: string;
  readonly caller: string;
  readonly bodyHash: Uint8Array;
  readonly parkedAt: string;
}

/** How many attempts at a message were noted and have not ended, and whether it is parked. */
export async function readAttempts(
  db: Db,
  messageKey: Uint8Array,
): Promise<{ attempts: number; isParked: boolean }> {
  const row = await db
    .selectFrom("rpc_attempt")
    .select(["attempts", "parked_at"])
    .where("message_key", "=", messageKey)
    .executeTakeFirst();
  return { attempts: row?.attempts ?? 0, isParked: row !== undefined && row.parked_at !== null };
}

/** Notes, before it is made, that this is the attempt with this number. */
export async function noteAttempt(db: Db, suspect: RedeliveredMessage, attempts: number): Promise<void> {
  const insert = db.insertInto("rpc_attempt").values({
    message_key: suspect.messageKey,
    body_hash: suspect.bodyHash,
    queue: suspect.queue,
    caller: suspect.caller,
    attempts,
    created_at: toSqlTime(new Date()),
    parked_at: null,
  });
  const upsert =
    dialectOf(db) === "mysql"
      ? insert.onDuplicateKeyUpdate({ attempts })
      : insert.onConflict((conflict) => conflict.column("message_key").doUpdateSet({ attempts }));
  await upsert.execute();
}

/** The attempt has ended and the process lives: it is no suspect any more. */
export async function forgetAttempts(db: Db, messageKey: Uint8Array): Promise<void> {
  await db
    .deleteFrom("rpc_attempt")
    .where("message_key", "=", messageKey)
    .where("parked_at", "is", null)
    .execute();
}

/** Gives a message up for good. */
export async function parkRequest(db: Db, messageKey: Uint8Array): Promise<void> {
  await db
    .updateTable("rpc_attempt")
    .set({ parked_at: toSqlTime(new Date()) })
    .where("message_key", "=", messageKey)
    .execute();
}

/** The requests that were parked in the last 30 days, the latest first, at most so many. */
export async function listParked(db: Db, limit: number): Promise<ParkedRequest[]> {
  const rows = await db
    .selectFrom("rpc_attempt")
    .select(["queue", "caller", "body_hash", "parked_at"])
    .where("parked_at", "is not", null)
    .orderBy("parked_at", "desc")
    .limit(limit)
    .execute();
  return rows.map(({ queue, caller, body_hash, parked_at }) => ({
    queue,
    caller,
    bodyHash: body_hash,
    parkedAt: parked_at ?? "",
  }));
}

/** Forgets attempts that nobody came back for, and requests that were parked more than 30 days ago. */
export async function clearAttempts(db: Db): Promise<void> {
  const before = (age: number): string => toSqlTime(new Date(Date.now() - age));
  await db
    .deleteFrom("rpc_attempt")
    .where((is) =>
      is.or([
        is.and([is("parked_at", "is", null), is("created_at", "<", before(REMEMBERED))]),
        is("parked_at", "<", before(PARKED)),
      ]),
    )
    .execute();
}
