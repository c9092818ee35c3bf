import type { Db } from "../database.ts";
import { isDuplicate } from "../faults.ts";
import { toSqlTime } from "../time.ts";

/** How long a reply is kept for idempotent replay, in milliseconds. */
export const REPLY_RETENTION = 15 * 60_000;

/** The recorded reply to a request, and the hash of the request's body. */
export interface RecordedReply {
  readonly bodyHash: Uint8Array;
  readonly respCode: number;
  /** `resp_data` as JSON. */
  readonly respData: string;
}

/** A reply to record. */
export interface NewReply extends RecordedReply {
  readonly requestKey: Uint8Array;
  readonly messageKey: Uint8Array | null;
  readonly queue: string;
  readonly caller: string;
  readonly redelivered: boolean;
}

/** The reply to the request with this key within the last 15 minutes. */
export async function findReply(db: Db, requestKey: Uint8Array): Promise<RecordedReply | undefined> {
  const row = await db
    .selectFrom("rpc_inbox")
    .select(["body_hash", "resp_code", "resp_data"])
    .where("request_key", "=", requestKey)
    .where("created_at", ">", oldest())
    .executeTakeFirst();
  return row && { bodyHash: row.body_hash, respCode: row.resp_code, respData: row.resp_data };
}

/**
 * The reply to a message within the last 15 minutes, with or without an idempotency key. `message_key` has no index
 * because this is rare.
 */
export async function findReplyToMessage(db: Db, messageKey: Uint8Array): Promise<RecordedReply | undefined> {
  const unkeyed = await findReply(db, messageKey);
  if (unkeyed !== undefined) return unkeyed;
  const row = await db
    .selectFrom("rpc_inbox")
    .select(["body_hash", "resp_code", "resp_data"])
    .where("message_key", "=", messageKey)
    .where("created_at", ">", oldest())
    .executeTakeFirst();
  return row && { bodyHash: row.body_hash, respCode: row.resp_code, respData: row.resp_data };
}

/** Records a reply. Returns "known", and writes nothing, if this key already has one. */
export async function recordReply(db: Db, reply: NewReply): Promise<"recorded" | "known"> {
  if (await insertReply(db, reply)) return "recorded";
  // A reply past its retention that cleanup has not deleted yet does not count.
  const { numDeletedRows } = await db
    .deleteFrom("rpc_inbox")
    .where("request_key", "=", reply.requestKey)
    .where("created_at", "<=", oldest())
    .executeTakeFirst();
  return numDeletedRows > 0n && (await insertReply(db, reply)) ? "recorded" : "known";
}

/**
 * Records the reply to a message without an idempotency key. Replaces the reply to an earlier message with the same
 * content. Returns "known" if another delivery since `received` recorded a reply: that is the reply to this very
 * message.
 */
export async function replaceReply(db: Db, reply: NewReply, received: Date): Promise<"recorded" | "known"> {
  if (await insertReply(db, reply)) return "recorded";
  const { numUpdatedRows } = await db
    .updateTable("rpc_inbox")
    .set(rowOf(reply))
    .where("request_key", "=", reply.requestKey)
    .where((is) => is.or([is("redelivered", "=", 0), is("created_at", "<", toSqlTime(received))]))
    .executeTakeFirst();
  return numUpdatedRows > 0n ? "recorded" : "known";
}

/** Deletes at most `limit` replies past their retention; returns how many. */
export async function clearReplies(db: Db, limit: number): Promise<number> {
  const last = await db
    .selectFrom("rpc_inbox")
    .select("created_at")
    .where("created_at", "<=", oldest())
    .orderBy("created_at")
    .limit(1)
    .offset(limit - 1)
    .executeTakeFirst();
  const { numDeletedRows } = await db
    .deleteFrom("rpc_inbox")
    .where("created_at", "<=", last?.created_at ?? oldest())
    .executeTakeFirst();
  return Number(numDeletedRows);
}

async function insertReply(db: Db, reply: NewReply): Promise<boolean> {
  try {
    await db.insertInto("rpc_inbox").values(rowOf(reply)).execute();
    return true;
  } catch (error) {
    if (isDuplicate(error)) return false;
    throw error;
  }
}

function rowOf({
  requestKey,
  messageKey,
  bodyHash,
  queue,
  caller,
  redelivered,
  respCode,
  respData,
}: NewReply) {
  return {
    request_key: requestKey,
    message_key: messageKey,
    body_hash: bodyHash,
    queue,
    caller,
    redelivered: Number(redelivered),
    resp_code: respCode,
    resp_data: respData,
    created_at: toSqlTime(new Date()),
  };
}

function oldest(): string {
  return toSqlTime(new Date(Date.now() - REPLY_RETENTION));
}
