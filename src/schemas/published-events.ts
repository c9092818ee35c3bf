import { z } from "zod";
import { SECTIONS } from "../config/schema.ts";
import { EVENT_TYPES } from "../db/tables.ts";
import { authType } from "../procedures/fields.ts";
import { type Fragment, toDraft7 } from "./fragment.ts";

const time = z.iso.datetime().describe("UTC");

/** What an event tells, beside whom it is about: which of these are there goes by its type. */
const data = z.strictObject({
  username: z.string().optional().describe("whom it is about"),
  actor: z.string().optional().describe("who did it, where that is known"),
  email: z.string().nullable().optional(),
  previous_email: z.string().optional().describe("user.changed: the address before, where it is another one"),
  auth_type: authType().optional(),
  activated: z.boolean().optional(),
  changed: z.array(z.string()).optional().describe("user.changed: password, email, activated"),
  reset: z.literal(true).optional().describe("user.changed: after a forgotten password"),
  groupname: z.string().optional(),
  ip: z.string().optional().describe("* or the address that the request named"),
  vhost: z.string().optional(),
  valid_until: time.optional(),
  expires_at: time.optional().describe("of the token"),
  reason: z.string().optional().describe("of session.revoked and login.failed"),
  detail: z.string().optional(),
  reset_token: z.string().optional().describe("password.reset_requested: for `user_password_reset`"),
  verify_token: z.string().optional().describe("user.verification_requested: for `user_verify_email`"),
});

/** An event as subscribers get it: a CloudEvent (1.0) in structured mode. */
export const publishedEvent = z.strictObject({
  specversion: z.literal("1.0"),
  id: z.string().describe("the same in each repeat"),
  source: z.string().describe("the issuer of this installation's tokens"),
  type: z.enum(EVENT_TYPES),
  subject: z.string().optional().describe("the user that it is about"),
  time,
  datacontenttype: z.literal("application/json"),
  sequence: z.string().describe("its place in the order of all events: later ones are greater, as texts"),
  data,
});

const EXAMPLE: z.output<typeof publishedEvent> = {
  specversion: "1.0",
  id: "6f0c1c58-6d2c-4d07-9f3e-0c9a7f5f0a3b",
  source: "authmq",
  type: "group.member_added",
  subject: "alice",
  time: "2026-11-26T18:30:00.123Z",
  datacontenttype: "application/json",
  sequence: "0000000000000000042",
  data: { username: "alice", actor: "root", groupname: "billing" },
};

/** The exchange that workers tell of what happens. */
export function publishedEvents(): Fragment {
  const { exchange: name } = SECTIONS.event_settings.parse({});
  return {
    channels: {
      events: {
        address: "{type}",
        title: "events",
        description: `The exchange; another name is given by \`event_settings.exchange\`. The routing key is the event's type.`,
        parameters: { type: { description: "The event's type.", enum: [...EVENT_TYPES] } },
        messages: { event: { $ref: "#/components/messages/event" } },
        bindings: {
          amqp: {
            is: "routingKey",
            exchange: { name, type: "topic", durable: true, autoDelete: false },
            bindingVersion: "0.3.0",
          },
        },
      },
    },
    replies: {},
    operations: {
      events: {
        action: "send",
        channel: { $ref: "#/channels/events" },
        title: "events",
        summary: "Tells of what happens, at least once, and of each user in order.",
        tags: [{ name: "events" }],
        bindings: { amqp: { deliveryMode: 2, bindingVersion: "0.3.0" } },
        messages: [{ $ref: "#/channels/events/messages/event" }],
      },
    },
    messages: {
      event: {
        name: "event",
        title: "Event",
        contentType: "application/cloudevents+json",
        payload: toDraft7(publishedEvent, "output"),
        examples: [{ name: "event", payload: EXAMPLE }],
      },
    },
  };
}
