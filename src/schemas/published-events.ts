import { z } from "zod";
import { SECTIONS } from "../config/schema.ts";
import { EVENT_TYPES } from "../db/tables.ts";
import { authType } from "../procedures/fields.ts";
import { type Fragment, toDraft7 } from "./fragment.ts";

const time = z.iso.datetime().describe("UTC");

/** The data of an event; the fields depend on its type. */
const data = z.strictObject({
  username: z.string().optional().describe("user that the event is about"),
  actor: z.string().optional().describe("user who caused the event, if known"),
  email: z.string().nullable().optional(),
  previous_email: z.string().optional().describe("user.changed: previous email address, if it changed"),
  auth_type: authType().optional(),
  activated: z.boolean().optional(),
  changed: z
    .array(z.string())
    .optional()
    .describe("user.changed: changed fields (password, email, activated)"),
  reset: z.literal(true).optional().describe("user.changed: the password was reset with a reset token"),
  groupname: z.string().optional(),
  sid: z
    .string()
    .optional()
    .describe("session.started, session.revoked: id of the session, as in the claim `sid` of its tokens"),
  client: z.string().optional().describe("session.started: what the login said about the client"),
  amr: z
    .array(z.string())
    .optional()
    .describe("session.started: how the login authenticated the user (RFC 8176)"),
  id: z.string().optional().describe("id of the API key or second factor"),
  name: z.string().optional().describe("name of the API key or second factor"),
  type: z.string().optional().describe("factor.added, factor.removed: totp, passkey or recovery_codes"),
  count: z.int().optional().describe("recovery_codes.renewed: number of codes"),
  remaining: z.int().optional().describe("recovery_code.used: number of unused codes"),
  methods: z
    .array(z.string())
    .optional()
    .describe("login.challenged: second factors that the account can answer with"),
  ip: z.string().optional().describe("client address in the request, or *"),
  vhost: z.string().optional(),
  valid_until: time.optional(),
  expires_at: time.optional().describe("expiry time of the token, in UTC"),
  reason: z.string().optional().describe("session.revoked, login.failed: reason"),
  detail: z.string().optional(),
  reset_token: z.string().optional().describe("password.reset_requested: token for `user_password_reset`"),
  verify_token: z.string().optional().describe("user.verification_requested: token for `user_verify_email`"),
});

/** A published event: a CloudEvent (1.0) in structured mode. */
export const publishedEvent = z.strictObject({
  specversion: z.literal("1.0"),
  id: z.string().describe("event id; an event that is published again has the same id"),
  source: z.string().describe("issuer name of this installation"),
  type: z.enum(EVENT_TYPES),
  subject: z.string().optional().describe("user that the event is about"),
  time,
  datacontenttype: z.literal("application/json"),
  sequence: z.string().describe("position in the order of all events; later events have greater texts"),
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

/** The channel, operation and message for published events. */
export function publishedEvents(): Fragment {
  const { exchange: name } = SECTIONS.event_settings.parse({});
  return {
    channels: {
      events: {
        address: "{type}",
        title: "events",
        description:
          "The exchange for events; `event_settings.exchange` can change its name. The routing key is the event type.",
        parameters: { type: { description: "The event type.", enum: [...EVENT_TYPES] } },
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
        summary: "Publishes events at least once; the events of a user are in order.",
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
