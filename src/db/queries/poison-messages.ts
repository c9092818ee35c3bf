import { type Db, dialectOf } from "../database.ts";
import { toSqlTime } from "../time.ts";
import { REPLY_RETENTION } from "./inbox.ts";

/** How long parked requests are kept, in milliseconds. */
const PARKED_RETENTION = 30 * 24 * 60 * 60_000;

/** A redelivered message, without its body. */
export interface RedeliveredMessage {
  readonly messageKey: Uint8Array;
  readonly bodyHash: Uint8Array;
  readonly queue: string;
  /** The sender, according to its properties. */
  readonly caller: string;
}

/** A parked request. */
export interface ParkedRequest {
  readonly queue: string;
  readonly caller: string;
  readonly bodyHash: Uint8Array;
  readonly parkedAt: string;
}

/** The number of attempts at a message without a result, and whether it is parked. */
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

/** Records the attempt with this number, before it is made. */
export async function noteAttempt(db: Db, message: RedeliveredMessage, attempts: number): Promise<void> {
  const insert = db.insertInto("rpc_attempt").values({
    message_key: message.messageKey,
    body_hash: message.bodyHash,
    queue: message.queue,
    caller: message.caller,
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

/** Deletes the attempts at a message unless it is parked: the attempt ended without a crash. */
export async function deleteAttempts(db: Db, messageKey: Uint8Array): Promise<void> {
  await db
    .deleteFrom("rpc_attempt")
    .where("message_key", "=", messageKey)
    .where("parked_at", "is", null)
    .execute();
}

/** Parks a message: it is not attempted again. */
export async function parkRequest(db: Db, messageKey: Uint8Array): Promise<void> {
  await db
    .updateTable("rpc_attempt")
    .set({ parked_at: toSqlTime(new Date()) })
    .where("message_key", "=", messageKey)
    .execute();
}

/** Requests that were parked in the last 30 days, latest first, at most `limit`. */
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

/** Deletes attempts without a later delivery, and requests that were parked more than 30 days ago. */
export async function clearAttempts(db: Db): Promise<void> {
  const before = (age: number): string => toSqlTime(new Date(Date.now() - age));
  await db
    .deleteFrom("rpc_attempt")
    .where((is) =>
      is.or([
        is.and([is("parked_at", "is", null), is("created_at", "<", before(REPLY_RETENTION))]),
        is("parked_at", "<", before(PARKED_RETENTION)),
      ]),
    )
    .execute();
}
