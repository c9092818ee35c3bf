import { z } from "zod";
import { findEventSeq, listEvents } from "../../db/queries/events.ts";
import { EVENT_TYPES } from "../../db/tables.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { username } from "../fields.ts";

const MAX_LIMIT = 1000;

const event = z.object({
  id: z.string().describe("the `id` of the published event"),
  type: z.enum(EVENT_TYPES).describe("what happened"),
  time: z.iso.datetime().describe("when it happened, in UTC"),
  user: z.string().optional().describe("the user whom it is about"),
  actor: z.string().optional().describe("the user who did it"),
  data: z.record(z.string(), z.unknown()).describe("what else the event says, by its type"),
});

export const auditLog = defineProcedure({
  name: "audit_log",
  key: "audit_workflow_get_log",
  namespace: "audit",
  method: "log",
  description: "Lists events, the latest first.",
  access: "admin",
  input: (app) =>
    z.object({
      user: username(app).optional().describe("only events about this user"),
      after: z
        .string("must be a string")
        .optional()
        .describe("only events before the one with this id: `next` of the previous page"),
      limit: z
        .int("must be a whole number")
        .min(1)
        .max(MAX_LIMIT)
        .default(100)
        .describe("how many events at most"),
    }),
  output: z.object({
    events: z.array(event).describe("the latest first"),
    next: z.string().optional().describe("where there are more events: give it as `after`"),
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
      const fields = [{ path: "after", msg: "is the id of no event that is still there" }];
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
