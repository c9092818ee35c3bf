import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelModel } from "amqplib";

/** A broker that blocks publishers answers nothing on this connection: that is not a refusal, in milliseconds. */
const LIMIT = 1000;

/** No number, which the broker refuses (406) after it has checked the permission and before it routes anything. */
const INVALID_EXPIRATION = "-";

/**
 * Rejects with the broker's reason where this user may not publish to an exchange (the default exchange is ""). No message
 * is published. Resolves as well when the broker does not say.
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
  await Promise.race([closed, sleep(LIMIT, undefined, { ref: false })]);
  if (refusal !== undefined && !isPreconditionFailed(refusal)) throw refusal;
}

function isPreconditionFailed(error: Error): boolean {
  return "code" in error && error.code === 406;
}
