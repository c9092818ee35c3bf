import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelModel } from "amqplib";

/** Timeout in milliseconds: a broker that blocks publishing does not answer, and that is no refusal. */
const TIMEOUT = 1000;

/** Not a number: the broker rejects it (406) after the permission check and before it routes the message. */
const INVALID_EXPIRATION = "-";

/**
 * Rejects with the broker's error when this user may not publish to an exchange ("" is the default exchange). It
 * publishes no message, and resolves when the broker does not answer.
 */
export async function checkWritePermission(
  model: ChannelModel,
  exchange: string,
  routingKey: string,
): Promise<void> {
  const channel = await model.createConfirmChannel();
  let refusal: Error | undefined;
  channel.on("error", (error: Error) => (refusal = error));
  const closed = once(channel, "close").catch(() => undefined);
  channel.publish(exchange, routingKey, Buffer.alloc(0), { expiration: INVALID_EXPIRATION });
  await Promise.race([closed, sleep(TIMEOUT, undefined, { ref: false })]);
  if (refusal !== undefined && !isPreconditionFailed(refusal)) throw refusal;
}

function isPreconditionFailed(error: Error): boolean {
  return "code" in error && error.code === 406;
}
