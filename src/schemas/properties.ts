/**
 * What goes with a message beside its payload. AsyncAPI has one place for that, `headers`, and no word for the properties of
 * AMQP: they are described there as well, because the addresses of replies are in one of them.
 */
const correlationId = { $ref: "#/components/correlationIds/correlation_id" };

/** Where a worker reads the address of a reply. */
export const replyTo = {
  location: "$message.header#/reply_to",
  description: "The property `reply_to`: a queue, or `amq.rabbitmq.reply-to` (RabbitMQ's direct reply-to).",
};

/** What a reply has in common with its request. */
export const correlation = {
  location: "$message.header#/correlation_id",
  description: "The property `correlation_id`: any text of the caller's, which the reply has as well.",
};

/** What every request may carry. */
export const requestTrait = {
  contentType: "application/json",
  correlationId,
  headers: {
    type: "object",
    properties: {
      reply_to: {
        type: "string",
        description: "Property. Without it the work is done, and nothing is sent.",
      },
      correlation_id: { type: "string", description: "Property. The reply has the same." },
      message_id: {
        type: "string",
        maxLength: 255,
        description:
          "Property. A key, best a new UUID for each request: for 15 minutes a repeat with the same key and body gets the " +
          "same answer and has no second effect.",
      },
      "x-idempotency-key": {
        type: "string",
        minLength: 1,
        maxLength: 255,
        description: "Header. The same, and counts before message_id.",
      },
      expiration: {
        type: "string",
        pattern: "^[0-9]+$",
        description:
          "Property. Milliseconds after which the request is dropped without an effect or an answer.",
      },
    },
  },
};

/** What every reply carries. */
export const replyTrait = {
  contentType: "application/json",
  correlationId,
  headers: {
    type: "object",
    properties: {
      correlation_id: {
        type: "string",
        description: "Property. As in the request; absent where it had none.",
      },
      app_id: { type: "string", const: "authmq", description: "Property." },
      delivery_mode: { type: "integer", const: 1, description: "Property. Transient." },
      timestamp: {
        type: "integer",
        description: "Property. When the reply was made, in seconds since 1970.",
      },
      expiration: {
        type: "string",
        pattern: "^[0-9]+$",
        description: "Property. Milliseconds, where `amqp_settings.message_lifetime` is set.",
      },
    },
  },
  bindings: { amqp: { messageType: "result", bindingVersion: "0.3.0" } },
};
