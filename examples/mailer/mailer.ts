/**
 * Emails users the one-time tokens for password reset and email verification; this example only prints the emails. No
 * other service may read these events: npm install amqplib; node mailer.ts
 */
import { connect } from "amqplib";

const EXCHANGE = "auth.events";
const QUEUE = "mailer.auth-events";
const SITE = process.env["SITE"] ?? "https://www.example.com";

/** The parts of a CloudEvent that this service needs: https://cloudevents.io */
interface AuthEvent {
  readonly id: string;
  readonly type: string;
  readonly data: Readonly<Record<string, string | undefined>>;
}

// Notify the previous address: an attacker who took over the account owns the new one.
const addressOf = ({ email, previous_email }: AuthEvent["data"]) => previous_email ?? email;

const emails: Readonly<Record<string, (data: AuthEvent["data"]) => string | undefined>> = {
  "password.reset_requested": ({ username, reset_token, expires_at }) =>
    `Hello ${username},\nset a new password until ${expires_at}:\n${SITE}/new-password#${reset_token}`,
  "user.verification_requested": ({ username, verify_token, expires_at }) =>
    `Hello ${username},\nplease confirm your address until ${expires_at}:\n${SITE}/confirm#${verify_token}`,
  "user.changed": ({ username, email, previous_email }) =>
    previous_email &&
    `Hello ${username},\nthe address of your account is now ${email}. If that was not you, tell us: ${SITE}/help`,
};

const connection = await connect(process.env["AMQP_URL"] ?? "amqp://127.0.0.1");
const channel = await connection.createChannel();
await channel.assertExchange(EXCHANGE, "topic", { durable: true });
// A token expires after half an hour, so no message needs to wait longer.
await channel.assertQueue(QUEUE, { durable: true, messageTtl: 30 * 60_000 });
for (const type of Object.keys(emails)) await channel.bindQueue(QUEUE, EXCHANGE, type);

/** Events may arrive twice; send each email once. */
const sent = new Set<string>();

await channel.consume(QUEUE, (message) => {
  if (message === null) return;
  const { id, type, data } = JSON.parse(message.content.toString()) as AuthEvent;
  // The event may have waited until its token expired.
  const isLate = Date.parse(data["expires_at"] ?? "") < Date.now();
  const text = isLate ? undefined : emails[type]?.(data);
  if (text !== undefined && !sent.has(id)) console.log(`To: ${addressOf(data)}\n${text}\n`);
  sent.add(id);
  channel.ack(message);
});
console.log("waiting for events");
