import { randomUUID } from "node:crypto";
import type { Selectable } from "kysely";
import type { Db, Reader } from "../database.ts";
import { keysOf } from "../names.ts";
import { padInList } from "../in-list-padding.ts";
import type { EventTable, EventType } from "../tables.ts";
import { fromSqlTime, toSqlTime } from "../time.ts";

/** Something that happens now. */
export interface NewEvent {
  readonly type: EventType;
  /** The user that it is about, in the stored spelling; null where there is none. */
  readonly username: string | null;
  /** Who did it, where that is known. */
  readonly actor: string | null;
  /** What else there is to tell: JSON without anything secret. */
  readonly data: Readonly<Record<string, unknown>>;
  /** Given where something else is named by it; random otherwise. */
  readonly id?: string;
}

/** Something that has happened. */
export interface RecordedEvent extends Required<NewEvent> {
  /** Its place in the order of all events. */
  readonly seq: number;
  readonly time: Date;
}

/** Writes down what happens, to be published once the transaction is committed. */
export async function recordEvent(db: Db, event: NewEvent): Promise<void> {
  await db.insertInto("event").values(rowOf(event, null)).execute();
}

/** Events of one statement. */
const TOGETHER = 500;

/** Writes down many things that happen, in their order. */
export async function recordEvents(db: Db, events: readonly NewEvent[]): Promise<void> {
  for (let from = 0; from < events.length; from += TOGETHER)
    await db
      .insertInto("event")
      .values(events.slice(from, from + TOGETHER).map((event) => rowOf(event, null)))
      .execute();
}

/** Writes down what administrators alone are to see. */
export async function recordPrivately(db: Db, event: NewEvent): Promise<void> {
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

/** Other issuers' users may have longer names. */
const MAX_ACTOR = 100;

/** How many events of a type there were about a user since a moment. */
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

/** The events that wait for being published, in order, at most so many. */
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

/** Notes that some events were published. */
export async function markPublished(db: Db, seqs: readonly number[]): Promise<void> {
  await db
    .updateTable("event")
    .set({ published_at: toSqlTime(new Date()) })
    .where("seq", "in", padInList(seqs))
    .execute();
}

/** Keeps the events that wait from ever being published, at most so many; says how many they were. */
export async function withholdEvents(db: Db, limit: number): Promise<number> {
  const seqs = (await findUnpublished(db, limit)).map(({ seq }) => seq);
  if (seqs.length > 0) await markPublished(db, seqs);
  return seqs.length;
}

/** Which events to read. */
export interface EventFilter {
  readonly username: string | undefined;
  /** Only those that happened before this one. */
  readonly before: number | undefined;
  readonly limit: number;
}

/** The latest events first. */
export async function listEvents(
  db: Reader,
  { username, before, limit }: EventFilter,
): Promise<RecordedEvent[]> {
  let query = db.selectFrom("event").selectAll().orderBy("seq", "desc").limit(limit);
  if (username !== undefined) query = query.where("username_key", "in", keysOf(username));
  if (before !== undefined) query = query.where("seq", "<", before);
  return (await query.execute()).map(toEvent);
}

/** The place of an event in the order of all; undefined where there is none with this id. */
export async function findEventSeq(db: Reader, id: string): Promise<number | undefined> {
  const row = await db.selectFrom("event").select("seq").where("id", "=", id).executeTakeFirst();
  return row && Number(row.seq);
}

/** Forgets published events that happened before a moment, at most so many; says how many they were. */
export async function clearEvents(db: Db, before: Date, limit: number): Promise<number> {
  const old = await db
    .selectFrom("event")
    .select(["seq", "created_at", "published_at"])
    .orderBy("seq")
    .limit(limit)
    .execute();
  // In the order of the key, so that no index by age is needed; one that waits keeps those behind it.
  const end = old.findIndex(
    ({ created_at, published_at }) => published_at === null || fromSqlTime(created_at) >= before,
  );
  const last = old[(end === -1 ? old.length : end) - 1];
  if (last === undefined) return 0;
  const { numDeletedRows } = await db.deleteFrom("event").where("seq", "<=", last.seq).executeTakeFirst();
  return Number(numDeletedRows);
}

/** What anybody can have written down, as often as they like, about a name that nobody has. */
const FROM_STRANGERS: readonly EventType[] = [
  "login.failed",
  "password.reset_requested",
  "user.verification_requested",
];

/** Forgets what strangers did with names that nobody has; says how many such events they were. */
export async function deleteUnknownUserEvents(db: Db, before: Date, limit: number): Promise<number> {
  const rows = await db
    .selectFrom("event")
    .select("seq")
    .where("username", "is", null)
    .where("type", "in", FROM_STRANGERS)
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
    // Written by `rowOf` above.
    data: JSON.parse(data) as Record<string, unknown>,
    time: fromSqlTime(created_at),
  };
}
