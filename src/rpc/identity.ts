import { foldName } from "../db/names.ts";
import { AppError } from "../errors.ts";
import type { QueueName } from "../wire/queues.ts";
import type { Incoming } from "./envelope.ts";
import type { Message } from "./message.ts";

/** Identifies a request without revealing its contents. */
export interface RequestIdentity {
  readonly requestKey: Uint8Array;
  readonly bodyHash: Uint8Array;
  /** Key of the message; null if it equals `requestKey`. */
  readonly messageKey: Uint8Array | null;
  /** Whether this may be a retry of an answered request: it has an idempotency key, or was delivered before. */
  readonly mayReplay: boolean;
  readonly redelivered: boolean;
  readonly receivedAt: Date;
  readonly queue: QueueName;
  readonly caller: string;
}

/** AMQP's limit for a message_id. */
const MAX_KEY_BYTES = 255;

/** The idempotency key of a request, if any; throws INVALID_INPUT if it is invalid. */
export function idempotencyKeyOf({ idempotencyKey: key }: Incoming): string | undefined {
  if (key === undefined) return undefined;
  if (typeof key === "string" && key !== "" && Buffer.byteLength(key) <= MAX_KEY_BYTES) return key;
  const msg = `must be a string of 1 to ${MAX_KEY_BYTES} bytes`;
  throw new AppError("INVALID_INPUT", undefined, { fields: [{ path: "x-idempotency-key", msg }] });
}

/**
 * The identity of a request; `caller` is empty without a token. With a key it is the same request even if a retry uses
 * another token. Without a key the message with all its properties identifies it.
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
      mayReplay: redelivered,
    };
  }
  // Folded: a later token may spell the name differently.
  const from = caller === "" ? ["anyone", userId] : ["user", foldName(caller)];
  return {
    ...common,
    requestKey: fingerprints.of("request", queue, ...from, key),
    messageKey,
    bodyHash: fingerprints.of("body", JSON.stringify(input)),
    mayReplay: true,
  };
}

/** Whether a recorded body hash belongs to this request, not to another one with the same key. */
export function isSameBody({ bodyHash }: RequestIdentity, other: Uint8Array | null): boolean {
  return other !== null && Buffer.from(other).equals(bodyHash);
}
