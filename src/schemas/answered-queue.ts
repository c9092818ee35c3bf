import type { AppConfig } from "../config/schema.ts";
import { ERRORS } from "../errors.ts";
import type { Access } from "../rpc/context.ts";
import { errorsOf, type Procedure } from "../rpc/procedure.ts";
import { exampleReplies, exampleRequest } from "./examples.ts";
import { type Fragment, toDraft7 } from "./fragment.ts";
import { successSchema } from "./replies.ts";
import { requestJsonSchema } from "./requests.ts";

/** The allowed callers for each access level. */
const CALLERS = {
  public: "anyone",
  optional:
    "users with an access token; anyone without a token, if `app_config.anonymous_user_get` is on (`authmq init` turns it off)",
  id_token_or_api_key: "users with a valid ID token, and accounts with a valid API key",
  any_id_token: "users with an unexpired ID token, even if its session has ended",
  enrolment:
    "users with an access token of a session; users whose login has returned a setup token, with that",
  user: "users with an access token",
  self: "admins, and the user in `username`, with an access token",
  admin: "admins with an access token",
} as const satisfies Record<Access, string>;

const CORRELATION_ID = "6f1f2a3e-6c0b-4c55-9d9b-0d7a5a3a2b10";
const KEY = "0b9c8a52-3f0e-4c63-8a3d-2f1b6f0f7c11";

/** The channel, operation and messages of a request queue, with the patterns and limits of `app`. */
export function answeredQueue(procedure: Procedure, app: AppConfig): Fragment {
  const { name, key, namespace, description } = procedure;
  return {
    channels: {
      [name]: {
        address: name,
        title: name,
        description: `\`queue_settings.${key}\` can change the name.`,
        messages: { request: { $ref: `#/components/messages/${name}.request` } },
        bindings: {
          amqp: {
            is: "queue",
            queue: { name, durable: true, exclusive: false, autoDelete: false },
            bindingVersion: "0.3.0",
          },
        },
      },
    },
    replies: { [name]: { $ref: `#/components/messages/${name}.reply` } },
    operations: {
      [name]: {
        action: "receive",
        channel: { $ref: `#/channels/${name}` },
        title: name,
        summary: description,
        description: describe(procedure),
        tags: [{ name: namespace }],
        bindings: { amqp: { ack: true, bindingVersion: "0.3.0" } },
        messages: [{ $ref: `#/channels/${name}/messages/request` }],
        reply: {
          address: { $ref: "#/components/replyAddresses/reply_to" },
          channel: { $ref: "#/channels/replies" },
          messages: [{ $ref: `#/channels/replies/messages/${name}` }],
        },
        "x-access": procedure.access,
        "x-errors": errorsOf(procedure),
      },
    },
    messages: {
      [`${name}.request`]: {
        name: `${name}.request`,
        title: `Request to ${name}`,
        traits: [{ $ref: "#/components/messageTraits/request" }],
        payload: requestPayload(procedure, app),
        examples: [
          {
            name: "request",
            headers: {
              reply_to: "amq.rabbitmq.reply-to",
              correlation_id: CORRELATION_ID,
              ...(procedure.remembersAnswer === true ? { message_id: KEY } : {}),
            },
            payload: exampleRequest(procedure),
          },
        ],
      },
      [`${name}.reply`]: {
        name: `${name}.reply`,
        title: `Reply of ${name}`,
        traits: [{ $ref: "#/components/messageTraits/reply" }],
        payload: {
          anyOf: [toDraft7(successSchema(procedure), "output"), { $ref: "#/components/schemas/failure" }],
        },
        examples: Object.entries(exampleReplies(procedure)).map(([example, payload]) => ({
          name: example,
          headers: { correlation_id: CORRELATION_ID },
          payload,
        })),
      },
    },
  };
}

function requestPayload(procedure: Procedure, app: AppConfig): object {
  const payload = requestJsonSchema(procedure, app, "draft-7");
  delete payload.$schema; // the AsyncAPI document defines it
  return payload;
}

function describe(procedure: Procedure): string {
  const errors = Map.groupBy(errorsOf(procedure), (code) => ERRORS[code].resp);
  return [
    `Authorization: ${CALLERS[procedure.access]}.`,
    procedure.remembersAnswer === true
      ? "A retry with the same idempotency key gets the same reply and has no second effect."
      : "A retry runs again.",
    "Errors:",
    ...Array.from(errors, ([resp, codes]) => `- ${resp}: ${codes.join(", ")}`),
  ].join("\n");
}
