import { randomUUID } from "node:crypto";
import type { Selectable } from "kysely";
import type { Db, Reader } from "../database.ts";
import { keysOf } from "../names.ts";
import { padInList } from "../in-list-padding.ts";
import type { EventTable, EventType } from "../tables.ts";
import { fromSqlTime, toSqlTime } from "../time.ts";

/** An event to record. */
export interface NewEvent {
  readonly type: EventType;
  /** The user it concerns, in the stored spelling; null if none. */
  readonly username: string | null;
  /** The user who caused it; null if unknown. */
  readonly actor: string | null;
  /** Further data: JSON without secrets. */
  readonly data: Readonly<Record<string, unknown>>;
  /** Set if something else refers to this id; random otherwise. */
  readonly id?: string;
}

/** A recorded event. */
export interface RecordedEvent extends Required<NewEvent> {
  /** Its position in the order of all events. */
  readonly seq: number;
  readonly time: Date;
}

/** Records an event, to be published after the transaction commits. */
export async function recordEvent(db: Db, event: NewEvent): Promise<void> {
  await db.insertInto("event").values(rowOf(event, null)).execute();
}

/** Events per statement. */
const BATCH = 500;

/** Records several events, in order. */
export async function recordEvents(db: Db, events: readonly NewEvent[]): Promise<void> {
  for (let from = 0; from < events.length; from += BATCH)
    await db
      .insertInto("event")
      .values(events.slice(from, from + BATCH).map((event) => rowOf(event, null)))
      .execute();
}

/** Records an event for the audit log only: it is never published. */
export async function recordAuditOnly(db: Db, event: NewEvent): Promise<void> {
  await db
    .insertInto("event")
    .values(rowOf(event, toSqlTime(new Date())))
    .execute();
}

function rowOf({ id = randomUUID(), type, username, actor, data }: NewEvent, published_at: string | null) {
  return {
    id,
    type,
    username,
    actor: actor?.slice(0, MAX_ACTOR) ?? null,
    data: JSON.stringify(data),
    created_at: toSqlTime(new Date()),
    published_at,
  };
}

/** Length of the column; users of other issuers may have longer names. */
const MAX_ACTOR = 100;

/** Counts the events of a type about a user since `since`. */
export async function countEvents(
  db: Reader,
  type: EventType,
  username: string,
  since: Date,
): Promise<number> {
  const { total } = await db
    .selectFrom("event")
    .select((is) => is.fn.countAll<number | string>().as("total"))
    .where("username_key", "in", keysOf(username))
    .where("type", "=", type)
    .where("created_at", ">", toSqlTime(since))
    .executeTakeFirstOrThrow();
  return Number(total);
}

/** Unpublished events in order, at most `limit`. */
export async function findUnpublished(db: Reader, limit: number): Promise<RecordedEvent[]> {
  const rows = await db
    .selectFrom("event")
    .selectAll()
    .where("published_at", "is", null)
    .orderBy("seq")
    .limit(limit)
    .execute();
  return rows.map(toEvent);
}

/** Marks events as published. */
export async function markPublished(db: Db, seqs: readonly number[]): Promise<void> {
  await db
    .updateTable("event")
    .set({ published_at: toSqlTime(new Date()) })
    .where("seq", "in", padInList(seqs))
    .execute();
}

/** Marks at most `limit` unpublished events as published without publishing them; returns how many. */
export async function withholdEvents(db: Db, limit: number): Promise<number> {
  const seqs = (await findUnpublished(db, limit)).map(({ seq }) => seq);
  if (seqs.length > 0) await markPublished(db, seqs);
  return seqs.length;
}

/** Which events to list. */
export interface EventFilter {
  readonly username: string | undefined;
  /** Only events before this one (`seq`). */
  readonly before: number | undefined;
  readonly limit: number;
}

/** Lists events, latest first. */
export async function listEvents(
  db: Reader,
  { username, before, limit }: EventFilter,
): Promise<RecordedEvent[]> {
  let query = db.selectFrom("event").selectAll().orderBy("seq", "desc").limit(limit);
  if (username !== undefined) query = query.where("username_key", "in", keysOf(username));
  if (before !== undefined) query = query.where("seq", "<", before);
  return (await query.execute()).map(toEvent);
}

/** The `seq` of the event with this id; undefined if there is none. */
export async function findEventSeq(db: Reader, id: string): Promise<number | undefined> {
  const row = await db.selectFrom("event").select("seq").where("id", "=", id).executeTakeFirst();
  return row && Number(row.seq);
}

/** Deletes at most `limit` published events that are older than `before`; returns how many. */
export async function clearEvents(db: Db, before: Date, limit: number): Promise<number> {
  const old = await db
    .selectFrom("event")
    .select(["seq", "created_at", "published_at"])
    .orderBy("seq")
    .limit(limit)
    .execute();
  // In primary key order, so no index by age is needed. An unpublished event keeps all later ones.
  const end = old.findIndex(
    ({ created_at, published_at }) => published_at === null || fromSqlTime(created_at) >= before,
  );
  const last = old[(end === -1 ? old.length : end) - 1];
  if (last === undefined) return 0;
  const { numDeletedRows } = await db.deleteFrom("event").where("seq", "<=", last.seq).executeTakeFirst();
  return Number(numDeletedRows);
}

/** Events that unauthenticated callers can cause without limit, for names without an account. */
const UNAUTHENTICATED: readonly EventType[] = [
  "login.failed",
  "password.reset_requested",
  "user.verification_requested",
];

/**
 * Deletes at most `limit` failed logins and email requests for names without an account, older than `before`; returns
 * how many.
 */
export async function deleteUnknownUserEvents(db: Db, before: Date, limit: number): Promise<number> {
  const rows = await db
    .selectFrom("event")
    .select("seq")
    .where("username", "is", null)
    .where("type", "in", UNAUTHENTICATED)
    .where("created_at", "<", toSqlTime(before))
    .where("published_at", "is not", null)
    .orderBy("seq")
    .limit(limit)
    .execute();
  if (rows.length === 0) return 0;
  const seqs = padInList(rows.map(({ seq }) => seq));
  const { numDeletedRows } = await db.deleteFrom("event").where("seq", "in", seqs).executeTakeFirst();
  return Number(numDeletedRows);
}

function toEvent(row: Selectable<EventTable>): RecordedEvent {
  const { seq, id, type, username, actor, data, created_at } = row;
  return {
    seq: Number(seq),
    id,
    type,
    username,
    actor,
    // `rowOf` wrote it
    data: JSON.parse(data) as Record<string, unknown>,
    time: fromSqlTime(created_at),
  };
}
