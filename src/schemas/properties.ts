/**
 * AMQP properties and headers of messages. AsyncAPI has only `headers`, so properties are described there too: one of
 * them has the reply address.
 */
const correlationId = { $ref: "#/components/correlationIds/correlation_id" };

/** The location of the reply address. */
export const replyTo = {
  location: "$message.header#/reply_to",
  description: "The property `reply_to`: a queue, or `amq.rabbitmq.reply-to` (RabbitMQ's direct reply-to).",
};

/** The location of the correlation id. */
export const correlation = {
  location: "$message.header#/correlation_id",
  description: "The property `correlation_id`: any text; the reply repeats it.",
};

/** Properties and headers of requests. */
export const requestTrait = {
  contentType: "application/json",
  correlationId,
  headers: {
    type: "object",
    properties: {
      reply_to: {
        type: "string",
        description: "Property. Without it, the request is processed, but no reply is sent.",
      },
      correlation_id: { type: "string", description: "Property. The reply repeats it." },
      message_id: {
        type: "string",
        maxLength: 255,
        description:
          "Property. Idempotency key, preferably a new UUID for each request: for 15 minutes, a retry with the same " +
          "key and body gets the same reply and has no second effect.",
      },
      "x-idempotency-key": {
        type: "string",
        minLength: 1,
        maxLength: 255,
        description: "Header. Idempotency key; overrides message_id.",
      },
      expiration: {
        type: "string",
        pattern: "^[0-9]+$",
        description:
          "Property. Milliseconds after which the request is dropped, without effect and without reply.",
      },
    },
  },
};

/** Properties and headers of replies. */
export const replyTrait = {
  contentType: "application/json",
  correlationId,
  headers: {
    type: "object",
    properties: {
      correlation_id: {
        type: "string",
        description: "Property. Same as in the request; absent if the request had none.",
      },
      app_id: { type: "string", const: "authmq", description: "Property." },
      delivery_mode: { type: "integer", const: 1, description: "Property. Transient." },
      timestamp: {
        type: "integer",
        description: "Property. Creation time of the reply, in seconds since 1970.",
      },
      expiration: {
        type: "string",
        pattern: "^[0-9]+$",
        description: "Property. Milliseconds; only if `amqp_settings.message_lifetime` is set.",
      },
    },
  },
  bindings: { amqp: { messageType: "result", bindingVersion: "0.3.0" } },
};
