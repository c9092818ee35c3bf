import type { Trx } from "../db/database.ts";
import { type NewEvent, recordEvents } from "../db/queries/events.ts";

/** A transaction that writes, and who caused it: the actor of its events; null where no caller did. */
export interface Writer {
  readonly trx: Trx;
  readonly actor: string | null;
}

/** Something that happens to an account, a group or a session. */
export type AccountEvent = Omit<NewEvent, "actor">;

/** Records events in the writer's transaction, in their order; they are published once it is committed. */
export function record({ trx, actor }: Writer, ...events: readonly AccountEvent[]): Promise<void> {
  return recordEvents(
    trx,
    events.map((event) => ({ actor, ...event })),
  );
}
