import type { Trx } from "../db/database.ts";
import { type NewEvent, recordEvents } from "../db/queries/events.ts";

/** A transaction and the actor of its events; null if no caller caused it. */
export interface Writer {
  readonly trx: Trx;
  readonly actor: string | null;
}

/** An event of an account, a group or a session. */
export type AccountEvent = Omit<NewEvent, "actor">;

/** Records events in the transaction, in order; they are published after the commit. */
export function record({ trx, actor }: Writer, ...events: readonly AccountEvent[]): Promise<void> {
  return recordEvents(
    trx,
    events.map((event) => ({ actor, ...event })),
  );
}
