import type { Db } from "../database.ts";
import { isDuplicate } from "../faults.ts";
import { toSqlTime } from "../time.ts";

/** So long the answer to a request is remembered, in milliseconds. */
export const REMEMBERED = 15 * 60_000;

/** What was answered to a request, and which body it had. */
export interface RecordedAnswer {
  readonly bodyHash: Uint8Array;
  readonly respCode: number;
  /** `resp_data` as JSON. */
  readonly respData: string;
}

/** An answer that is to be remembered. */
export interface NewAnswer extends RecordedAnswer {
  readonly requestKey: Uint8Array;
  readonly messageKey: Uint8Array | null;
  readonly queue: string;
  readonly caller: string;
  readonly redelivered: boolean;
}

/** The answer to the request with this key within the last 15 minutes. */
export async function findAnswer(db: Db, requestKey: Uint8Array): Promise<RecordedAnswer | undefined> {
  const row = await db
    .selectFrom("rpc_inbox")
    .select(["body_hash", "resp_code", "resp_data"])
    .where("request_key", "=", requestKey)
    .where("created_at", ">", oldest())
    .executeTakeFirst();
  return row && { bodyHash: row.body_hash, respCode: row.resp_code, respData: row.resp_data };
}

/** The same for a message, whether it has a key of its own or not; there is no index for what is asked so seldom. */
export async function findAnswerTo(db: Db, messageKey: Uint8Array): Promise<RecordedAnswer | undefined> {
  const unkeyed = await findAnswer(db, messageKey);
  if (unkeyed !== undefined) return unkeyed;
  const row = await db
    .selectFrom("rpc_inbox")
    .select(["body_hash", "resp_code", "resp_data"])
    .where("message_key", "=", messageKey)
    .where("created_at", ">", oldest())
    .executeTakeFirst();
  return row && { bodyHash: row.body_hash, respCode: row.resp_code, respData: row.resp_data };
}

/** Remembers an answer; "known", and nothing written, when there is one for this key already. */
export async function recordAnswer(db: Db, answer: NewAnswer): Promise<"recorded" | "known"> {
  if (await insertAnswer(db, answer)) return "recorded";
  // One that only waits for being cleared away does not count.
  const { numDeletedRows } = await db
    .deleteFrom("rpc_inbox")
    .where("request_key", "=", answer.requestKey)
    .where("created_at", "<=", oldest())
    .executeTakeFirst();
  return numDeletedRows > 0n && (await insertAnswer(db, answer)) ? "recorded" : "known";
}

/**
 * Remembers the answer to a message without a key of its own: its content may be that of an earlier message, whose
 * answer gives way. "known" when the answer was given to a second delivery since `received`: that is this very message.
 */
export async function replaceAnswer(
  db: Db,
  answer: NewAnswer,
  received: Date,
): Promise<"recorded" | "known"> {
  if (await insertAnswer(db, answer)) return "recorded";
  const { numUpdatedRows } = await db
    .updateTable("rpc_inbox")
    .set(rowOf(answer))
    .where("request_key", "=", answer.requestKey)
    .where((is) => is.or([is("redelivered", "=", 0), is("created_at", "<", toSqlTime(received))]))
    .executeTakeFirst();
  return numUpdatedRows > 0n ? "recorded" : "known";
}

/** Forgets answers that are too old, at most so many; says how many they were. */
export async function clearAnswers(db: Db, limit: number): Promise<number> {
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

async function insertAnswer(db: Db, answer: NewAnswer): Promise<boolean> {
  try {
    await db.insertInto("rpc_inbox").values(rowOf(answer)).execute();
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
}: NewAnswer) {
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
  return toSqlTime(new Date(Date.now() - REMEMBERED));
}
