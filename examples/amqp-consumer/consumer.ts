/**
 * A service that consumes a queue and accepts only messages with a valid access token in a header:
 * npm install @authmq/client amqplib; node consumer.ts
 */
import { readFileSync } from "node:fs";
import { connect, type ConsumeMessage } from "amqplib";
import { createVerifier, TokenError } from "@authmq/client";

const QUEUE = "reports";

const verifier = createVerifier({
  issuer: process.env["ISSUER"] ?? "authmq",
  keys: readFileSync(process.env["PUBLIC_KEY"] ?? "signing-key.pub.pem", "utf8"),
});

const connection = await connect(process.env["AMQP_URL"] ?? "amqp://127.0.0.1");
const channel = await connection.createChannel();
await channel.assertQueue(QUEUE);
await channel.prefetch(16);

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
    console.log(`rejected: ${error.message}`);
    channel.nack(message, false, false); // without requeue: to the dead-letter exchange, if the queue has one
  }
}

await channel.consume(QUEUE, (message) => {
  if (message !== null) void work(message);
});
console.log("waiting for reports");
