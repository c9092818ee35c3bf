import { z } from "zod";
import { findEventSeq, listEvents } from "../../db/queries/events.ts";
import { EVENT_TYPES } from "../../db/tables.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { username } from "../fields.ts";

const MAX_LIMIT = 1000;

const event = z.object({
  id: z.string().describe("`id` of the published event"),
  type: z.enum(EVENT_TYPES).describe("event type"),
  time: z.iso.datetime().describe("time of the event, in UTC"),
  user: z.string().optional().describe("user that the event is about"),
  actor: z.string().optional().describe("user who caused the event"),
  data: z.record(z.string(), z.unknown()).describe("more data, which depends on the event type"),
});

export const auditLog = defineProcedure({
  name: "audit_log",
  key: "audit_workflow_get_log",
  namespace: "audit",
  method: "log",
  description: "Lists the events of the audit log, newest first.",
  access: "admin",
  input: (app) =>
    z.object({
      user: username(app).optional().describe("filter: only events about this user"),
      after: z.string("must be a string").optional().describe("cursor: `next` of the previous page"),
      limit: z
        .int("must be a whole number")
        .min(1)
        .max(MAX_LIMIT)
        .default(100)
        .describe("maximum number of events"),
    }),
  output: z.object({
    events: z.array(event).describe("events, newest first"),
    next: z
      .string()
      .optional()
      .describe("cursor for the next page: pass it as `after`; absent on the last page"),
  }),
  example: {
    request: { user: "alice", limit: 1 },
    reply: {
      events: [
        {
          id: "6f0c1c58-6d2c-4d07-9f3e-0c9a7f5f0a3b",
          type: "group.member_added",
          time: "2026-11-26T18:30:00.123Z",
          user: "alice",
          actor: "root",
          data: { groupname: "billing" },
        },
      ],
      next: "6f0c1c58-6d2c-4d07-9f3e-0c9a7f5f0a3b",
    },
  },
  async handler({ db }, { user, after, limit }) {
    const before = after === undefined ? undefined : await findEventSeq(db, after);
    if (after !== undefined && before === undefined) {
      const fields = [{ path: "after", msg: "is not the id of a stored event; start again without after" }];
      throw new AppError("INVALID_INPUT", undefined, { fields });
    }
    const found = await listEvents(db, { username: user, before, limit: limit + 1 });
    const events = found.slice(0, limit).map(({ id, type, time, username: about, actor, data }) => ({
      id,
      type,
      time: time.toISOString(),
      ...(about === null ? {} : { user: about }),
      ...(actor === null ? {} : { actor }),
      data,
    }));
    const last = events.at(-1);
    return { events, ...(found.length > limit && last !== undefined ? { next: last.id } : {}) };
  },
});
