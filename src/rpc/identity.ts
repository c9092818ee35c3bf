import { foldName } from "../db/names.ts";
import { AppError } from "../errors.ts";
import type { QueueName } from "../wire/queues.ts";
import type { Incoming } from "./envelope.ts";
import type { Message } from "./message.ts";

/** What tells one request from all others, without telling what is in it. */
export interface RequestIdentity {
  readonly requestKey: Uint8Array;
  readonly bodyHash: Uint8Array;
  /** Of the message, where it is not the request's as well. */
  readonly messageKey: Uint8Array | null;
  /** Whether this may be a repeat of one that was answered: it has a key of its own, or was delivered before. */
  readonly mayRepeat: boolean;
  readonly redelivered: boolean;
  readonly receivedAt: Date;
  readonly queue: QueueName;
  readonly caller: string;
}

/** As long as AMQP lets a message_id be. */
const MAX_KEY_BYTES = 255;

/** The key that the sender gave a request, where it did; throws INVALID_INPUT for one that is none. */
export function idempotencyKeyOf({ idempotencyKey: key }: Incoming): string | undefined {
  if (key === undefined) return undefined;
  if (typeof key === "string" && key !== "" && Buffer.byteLength(key) <= MAX_KEY_BYTES) return key;
  const msg = `must be a string of 1 to ${MAX_KEY_BYTES} bytes`;
  throw new AppError("INVALID_INPUT", undefined, { fields: [{ path: "x-idempotency-key", msg }] });
}

/**
 * The identity of a request from a caller (empty for one without a token). By its key it is the same request whatever
 * token proves the caller this time; without a key the message itself, with all its properties, is what is recognised.
 */
export function identityOf(
  { queue, incoming, fingerprints, key: messageKey }: Message,
  caller: string,
  input: Readonly<Record<string, unknown>>,
): RequestIdentity {
  const key = idempotencyKeyOf(incoming);
  const { redelivered, receivedAt, userId } = incoming;
  const common = { redelivered, receivedAt, queue, caller: caller === "" ? userId : caller };
  if (key === undefined) {
    return {
      ...common,
      requestKey: messageKey,
      messageKey: null,
      bodyHash: messageKey,
      mayRepeat: redelivered,
    };
  }
  // Names are compared without regard to case, and a token may spell one as it was at the time.
  const from = caller === "" ? ["anyone", userId] : ["user", foldName(caller)];
  return {
    ...common,
    requestKey: fingerprints.of("request", queue, ...from, key),
    messageKey,
    bodyHash: fingerprints.of("body", JSON.stringify(input)),
    mayRepeat: true,
  };
}

/** Whether a body is this request's, and not another's under the same key. */
export function isSameBody({ bodyHash }: RequestIdentity, other: Uint8Array | null): boolean {
  return other !== null && Buffer.from(other).equals(bodyHash);
}
