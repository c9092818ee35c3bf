/**
 * A service that consumes a queue and accepts only messages with a valid access token in a header:
 * npm install ./authmq-client-*.tgz amqplib; node consumer.ts
 *
 * It ends with exit code 1 when it loses the broker or its queue: let systemd, Docker or Kubernetes start it again.
 * RabbitMQ then redelivers the messages that it had not acknowledged.
 */
import { readFileSync } from "node:fs";
import { connect, type ConsumeMessage } from "amqplib";
import { createVerifier, TokenError } from "@authmq/client";

const QUEUE = "reports";

const verifier = createVerifier({
  issuer: process.env["ISSUER"] ?? "authmq",
  keys: readFileSync(process.env["PUBLIC_KEY"] ?? "signing-key.pub.pem", "utf8"),
});

function end(reason: string): never {
  console.error(`${QUEUE}: ${reason}`);
  process.exit(1);
}

const connection = await connect(process.env["AMQP_URL"] ?? "amqp://127.0.0.1");
connection.on("error", ({ message }: Error) => end(message));
connection.on("close", () => end("the broker closed the connection")); // a regular shutdown of the broker is no "error"
const channel = await connection.createChannel();
channel.on("error", ({ message }: Error) => end(message));
await channel.assertQueue(QUEUE);
await channel.prefetch(16); // at most so many messages at a time

/** Checks the token when the message arrives: one that waited longer than the token is valid is rejected. */
async function work(message: ConsumeMessage): Promise<void> {
  // Senders may set any header value; only a string can be a token.
  const token: unknown = message.properties.headers?.["access_token"];
  try {
    const { user } = await verifier.verify(typeof token === "string" ? token : undefined, {
      groups: { anyOf: ["reporters", "admin"] },
    });
    console.log(`a report for ${user}: ${message.content.toString()}`);
    channel.ack(message);
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    // The keys of a verifier with `jwks` may be unavailable, which says nothing about the token.
    if (error.code === "UNAVAILABLE") return end(error.message);
    console.log(`rejected: ${error.message}`);
    channel.nack(message, false, false); // without requeue: to the dead-letter exchange, if the queue has one
  }
}

await channel.consume(QUEUE, (message) => {
  if (message === null) end("the queue was deleted");
  work(message).catch((error: unknown) => end(String(error)));
});
console.log("waiting for reports");
